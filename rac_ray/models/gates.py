"""A ConvLSTM cell over all frames of a clip, with the pooling of its states, compiled for a CPU: by ``tiles``.

A block of tiles is done with before the next one: what it is multiplied with, products, gates, cells, states, pooling.
Arrays without shape are flat. ``gates`` holds (B, T, h, gate, place in a tile, tile), gates in the order input, forget,
output, candidate, for h hidden units; ``cells`` (B, T, h, place, tile), images (B, C, T, H, W), results of pooling
(B, h, T, H/2, W/2). ``gates`` begins at a multiple of 64 bytes, as PyTorch's memory does. Of what a tile is multiplied
with the hidden units come first, then the channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, load, peak, put_away, sigmoid, splat, store, tanh
from rac_ray.models.tile_products import ROWS, multiply
from rac_ray.models.tiles import BLOCK, GROUP, POINTS, apart, bend, split, straight

Array = NDArray[Any]


@compiled
def _gate(sums: Array, at: int, between: int, bias: Any, candidate: bool) -> Any:
    """Four pixels of a gate after its nonlinearity."""
    a, b, c, d = straight(sums, at, between)
    if candidate:
        return tanh(a + bias), tanh(b + bias), tanh(c + bias), tanh(d + bias)
    return sigmoid(a + bias), sigmoid(b + bias), sigmoid(c + bias), sigmoid(d + bias)


@compiled
def _keep(values: Any, into: Array, at: int, step: int) -> None:
    put_away(into, at, values[0])
    put_away(into, at + step, values[1])
    put_away(into, at + 2 * step, values[2])
    put_away(into, at + 3 * step, values[3])


@compiled
def _step(
    sums: Array, bias: Array, unit: int, h: int, inside: Array, plane: Any, start: int, count: int,
    gates: Array, gate_at: int, past: Array, past_at: int, cells: Array, cell_at: int, states: Array, peaks: Array,
) -> None:  # fmt: skip
    """One hidden unit of ``count`` tiles from ``start`` on: from sums of products to the state, and its peaks."""
    tiles, between = plane.tiles, apart(4 * h)
    own = splat(bias, bias[4 * unit]), splat(bias, bias[4 * unit + 1])
    rest = splat(bias, bias[4 * unit + 2]), splat(bias, bias[4 * unit + 3])
    for at in range(0, count, WIDTH):
        place, source = gate_at + start + at, 4 * unit * BLOCK + at
        enter = _gate(sums, source, between, own[0], False)
        _keep(enter, gates, place, tiles)
        forget = _gate(sums, source + BLOCK, between, own[1], False)
        _keep(forget, gates, place + 4 * tiles, tiles)
        leave = _gate(sums, source + 2 * BLOCK, between, rest[0], False)
        _keep(leave, gates, place + 8 * tiles, tiles)
        candidate = _gate(sums, source + 3 * BLOCK, between, rest[1], True)
        _keep(candidate, gates, place + 12 * tiles, tiles)
        highest = splat(bias, -2.0)  # states lie between -1 and 1
        for pixel in range(4):
            tile = pixel * tiles + start + at
            new = enter[pixel] * candidate[pixel] + forget[pixel] * load(past, past_at + tile)
            store(cells, cell_at + tile, new)
            state = load(inside, tile) * (leave[pixel] * tanh(new))
            store(states, (4 * unit + pixel) * plane.size + plane.first + start + at, state)
            highest = peak(highest, state)
        store(peaks, unit * tiles + start + at, highest)


@compiled
def forward(
    images: Array, weight: Array, bias: Array, inside: Array, plane: Any, gates: Array, cells: Array, pooled: Array,
    kept: int, first: int, last: int,
) -> None:  # fmt: skip
    """Clips ``first`` to ``last``; of the gates and cells those of ``kept`` frames are kept, of all or of one.

    ``weight`` is (16, h, h + C, 4), ``bias`` (h, 4), ``inside`` (4, tiles).
    """
    channels, frames, h, tiles = images.shape[1], images.shape[2], pooled.shape[1], plane.tiles
    depth = h + channels
    bent = np.empty(POINTS * apart(depth), weight.dtype)
    sums = np.empty(POINTS * apart(4 * h), weight.dtype)
    peaks, nothing = np.empty(h * tiles, weight.dtype), np.zeros(4 * tiles, weight.dtype)
    shown = np.zeros(channels * 4 * plane.size, weight.dtype)
    for clip in range(first, last):
        before, now = np.zeros(h * 4 * plane.size, weight.dtype), np.zeros(h * 4 * plane.size, weight.dtype)
        for time in range(frames):
            frame = (clip * kept + time % kept) * h
            earlier = (clip * kept + (time - 1) % kept) * h
            for channel in range(channels):
                split(images[clip, channel, time], shown, channel * 4 * plane.size, plane)
            new = 0 if time else h
            for start in range(0, tiles, BLOCK):
                count = min(BLOCK, tiles - start)
                bend_all(before, shown, bent, h, channels, new, depth, plane, start, count)
                for point in range(POINTS):
                    for unit in range(h):
                        weight_at, value_at = (point * h + unit) * depth + new, point * apart(depth) + new * BLOCK
                        target = point * apart(4 * h) + unit * 4 * BLOCK
                        for at in range(0, count, GROUP):
                            multiply(
                                weight, ROWS * weight_at, bent, value_at + at, BLOCK, depth - new, sums, target + at
                            )
                for unit in range(h):
                    _step(
                        sums, bias, unit, h, inside, plane, start, count, gates, (frame + unit) * 16 * tiles,
                        cells if time else nothing, (earlier + unit) * 4 * tiles if time else 0,
                        cells, (frame + unit) * 4 * tiles, now, peaks,
                    )  # fmt: skip
            for unit in range(h):
                for y in range(pooled.shape[3]):
                    for x in range(pooled.shape[4]):
                        pooled[clip, unit, time, y, x] = peaks[unit * tiles + y * plane.stride + x]
            before, now = now, before


@compiled
def bend_all(
    states: Array, shown: Array, bent: Array, h: int, channels: int, new: int, depth: int, plane: Any,
    start: int, count: int,
) -> None:  # fmt: skip
    """What a block of tiles is multiplied with, from hidden unit ``new`` on."""
    for unit in range(new, h):
        at = unit * 4 * plane.size + plane.first + start
        bend(states, at, plane, bent, unit * BLOCK, apart(depth), count)
    for channel in range(channels):
        at = channel * 4 * plane.size + plane.first + start
        bend(shown, at, plane, bent, (h + channel) * BLOCK, apart(depth), count)
