"""A ConvLSTM cell over all frames of a clip, with the pooling of its states, compiled for a CPU: by ``tiles``.

Arrays without shape are flat. ``gates`` holds (B, T, h, gate, place in a tile, tile), gates in the order input, forget,
output, candidate, for h hidden units; ``cells`` (B, T, h, place, tile), images (B, C, T, H, W), results of pooling
(B, h, T, H/2, W/2). Of what a tile is multiplied with the hidden units come first, then the channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, load, peak, sigmoid, splat, store, tanh, where_equal
from rac_ray.models.tile_products import ROWS, correlate, multiply
from rac_ray.models.tiles import GROUP, POINTS, bend, bend_back, merge, split, straight, straight_back

Array = NDArray[Any]
BLOCK = 2 * GROUP
"""Tiles that all is done with before the next ones, while they lie in the cache."""


@compiled
def _apart(rows: int) -> int:
    """From one of sixteen matrices to the next: never a multiple of a page, or all would lie in the same few places of
    the fastest cache."""
    return rows * BLOCK + WIDTH


@compiled
def _gate(sums: Array, at: int, between: int, bias: Any, candidate: bool) -> Any:
    """Four pixels of a gate after its nonlinearity."""
    a, b, c, d = straight(sums, at, between)
    if candidate:
        return tanh(a + bias), tanh(b + bias), tanh(c + bias), tanh(d + bias)
    return sigmoid(a + bias), sigmoid(b + bias), sigmoid(c + bias), sigmoid(d + bias)


@compiled
def _keep(values: Any, into: Array, at: int, step: int) -> None:
    store(into, at, values[0])
    store(into, at + step, values[1])
    store(into, at + 2 * step, values[2])
    store(into, at + 3 * step, values[3])


@compiled
def _step(
    sums: Array, bias: Array, unit: int, h: int, inside: Array, plane: Any, start: int, count: int,
    gates: Array, gate_at: int, past: Array, past_at: int, cells: Array, cell_at: int, states: Array, peaks: Array,
) -> None:  # fmt: skip
    """One hidden unit of ``count`` tiles from ``start`` on: from sums of products to the state, and its peaks."""
    tiles, between = plane.tiles, _apart(4 * h)
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
    bent = np.empty(POINTS * _apart(depth), weight.dtype)
    sums = np.empty(POINTS * _apart(4 * h), weight.dtype)
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
                _bend_all(before, shown, bent, h, channels, new, depth, plane, start, count)
                for point in range(POINTS):
                    for unit in range(h):
                        weight_at, value_at = (point * h + unit) * depth + new, point * _apart(depth) + new * BLOCK
                        target = point * _apart(4 * h) + unit * 4 * BLOCK
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
def _bend_all(
    states: Array, shown: Array, bent: Array, h: int, channels: int, new: int, depth: int, plane: Any,
    start: int, count: int,
) -> None:  # fmt: skip
    """What a block of tiles is multiplied with, from hidden unit ``new`` on."""
    for unit in range(new, h):
        at = unit * 4 * plane.size + plane.first + start
        bend(states, at, plane, bent, unit * BLOCK, _apart(depth), count)
    for channel in range(channels):
        at = channel * 4 * plane.size + plane.first + start
        bend(shown, at, plane, bent, (h + channel) * BLOCK, _apart(depth), count)


@compiled
def _states(
    gates: Array, cells: Array, frame: int, h: int, inside: Array, plane: Any, bends: Array, states: Array
) -> None:
    """A frame's states and the tanh of its cells, from what is kept."""
    tiles = plane.tiles
    for unit in range(h):
        for pixel in range(4):
            cell, leave = ((frame + unit) * 4 + pixel) * tiles, ((frame + unit) * 16 + 8 + pixel) * tiles
            own, place = (unit * 4 + pixel) * tiles, (unit * 4 + pixel) * plane.size + plane.first
            for at in range(0, tiles, WIDTH):
                bend_of = tanh(load(cells, cell + at))
                store(bends, own + at, bend_of)
                store(states, place + at, load(inside, pixel * tiles + at) * (load(gates, leave + at) * bend_of))


@compiled
def _shares(pixels: Any, gradient: Any) -> Any:
    """The gradient of the largest of four pixels, the first one of equal ones as in PyTorch, and zero of the others."""
    highest = peak(peak(pixels[0], pixels[1]), peak(pixels[2], pixels[3]))
    a = where_equal(pixels[0], highest, gradient)
    b = where_equal(pixels[1], highest, gradient - a)
    c = where_equal(pixels[2], highest, gradient - a - b)
    return a, b, c, where_equal(pixels[3], highest, gradient - a - b - c)


@compiled
def _pixel(gates: Array, gate: int, tiles: int, before: Any, bent: Any, upstream: Any, to_cells: Array, cell: int) -> Any:
    """Gradients of a pixel's four gates before their sigmoids and tanh; that of the cell becomes the cell's before."""
    enter, forget = load(gates, gate), load(gates, gate + 4 * tiles)
    leave, candidate = load(gates, gate + 8 * tiles), load(gates, gate + 12 * tiles)
    one = splat(gates, 1.0)
    of_cell = load(to_cells, cell) + upstream * leave * (one - bent * bent)
    store(to_cells, cell, of_cell * forget)
    return (
        of_cell * candidate * enter * (one - enter),
        of_cell * before * forget * (one - forget),
        upstream * bent * leave * (one - leave),
        of_cell * enter * (one - candidate * candidate),
    )


@compiled
def _step_back(
    unit: int, h: int, inside: Array, plane: Any, start: int, count: int, gates: Array, gate_at: int, past: Array,
    past_at: int, states: Array, bends: Array, from_pool: Array, to_states: Array, to_cells: Array, sums: Array,
) -> None:  # fmt: skip
    """The gradient of ``_step``: that of the sums, and ``to_cells`` becomes that of the cell before."""
    size, tiles, between = plane.size, plane.tiles, _apart(4 * h)
    for at in range(start, start + count, WIDTH):
        first, own = 4 * unit * size + plane.first + at, 4 * unit * tiles + at
        pixels = load(states, first), load(states, first + size)
        more = load(states, first + 2 * size), load(states, first + 3 * size)
        shares = _shares((*pixels, *more), load(from_pool, unit * tiles + at))
        a = _pixel(
            gates, gate_at + at, tiles, load(past, past_at + at), load(bends, own),
            load(inside, at) * load(to_states, first) + shares[0], to_cells, own,
        )  # fmt: skip
        tile, own, first = at + tiles, own + tiles, first + size
        b = _pixel(
            gates, gate_at + tile, tiles, load(past, past_at + tile), load(bends, own),
            load(inside, tile) * load(to_states, first) + shares[1], to_cells, own,
        )  # fmt: skip
        tile, own, first = tile + tiles, own + tiles, first + size
        c = _pixel(
            gates, gate_at + tile, tiles, load(past, past_at + tile), load(bends, own),
            load(inside, tile) * load(to_states, first) + shares[2], to_cells, own,
        )  # fmt: skip
        tile, own, first = tile + tiles, own + tiles, first + size
        d = _pixel(
            gates, gate_at + tile, tiles, load(past, past_at + tile), load(bends, own),
            load(inside, tile) * load(to_states, first) + shares[3], to_cells, own,
        )  # fmt: skip
        target = 4 * unit * BLOCK + at - start
        straight_back((a[0], b[0], c[0], d[0]), sums, target, between)
        straight_back((a[1], b[1], c[1], d[1]), sums, target + BLOCK, between)
        straight_back((a[2], b[2], c[2], d[2]), sums, target + 2 * BLOCK, between)
        straight_back((a[3], b[3], c[3], d[3]), sums, target + 3 * BLOCK, between)


@compiled
def backward(
    images: Array, weight: Array, inside: Array, plane: Any, gates: Array, cells: Array, gradient: Array,
    to_images: Array, to_weight: Array, to_bias: Array, first: int, last: int,
) -> None:  # fmt: skip
    """Gradients of clips ``first`` to ``last``: of their images, if that array has channels, and of each clip those of
    the bent weight (B, 16, h, rows / 4, 4, 4) and of the bias (B, 4h).

    ``weight`` is (16, rows / 4, 4h, 4), a row for each hidden unit and each channel whose gradient is wanted.
    """
    channels, frames, h, tiles = images.shape[1], images.shape[2], gradient.shape[1], plane.tiles
    wanted, size, kind = to_images.shape[1], 4 * plane.size, weight.dtype
    fours, backs = (h + channels + ROWS - 1) // ROWS, (h + wanted + ROWS - 1) // ROWS
    depth = ROWS * fours
    bent, sums = np.zeros(POINTS * _apart(depth), kind), np.empty(POINTS * _apart(4 * h), kind)
    to_bent, nothing = np.empty(POINTS * _apart(ROWS * backs), kind), np.zeros(4 * tiles, kind)
    shown, from_pool = np.zeros(channels * size, kind), np.zeros(h * tiles, kind)
    to_shown = np.empty(wanted * size, kind)
    states, earlier = np.zeros(h * size, kind), np.zeros(h * size, kind)
    bends, earlier_bends = np.empty(h * 4 * tiles, kind), np.empty(h * 4 * tiles, kind)
    for clip in range(first, last):
        to_states, to_earlier = np.zeros(h * size, kind), np.empty(h * size, kind)
        to_cells = np.zeros(h * 4 * tiles, kind)
        _states(gates, cells, (clip * frames + frames - 1) * h, h, inside, plane, bends, states)
        for time in range(frames - 1, -1, -1):
            frame, before = (clip * frames + time) * h, (clip * frames + time - 1) * h
            if time:
                _states(gates, cells, before, h, inside, plane, earlier_bends, earlier)
            else:
                earlier[:] = 0
            for channel in range(channels):
                split(images[clip, channel, time], shown, channel * size, plane)
            for unit in range(h):
                for y in range(gradient.shape[3]):
                    for x in range(gradient.shape[4]):
                        from_pool[unit * tiles + y * plane.stride + x] = gradient[clip, unit, time, y, x]
            to_earlier[:] = 0
            to_shown[:] = 0
            for start in range(0, tiles, BLOCK):
                count = min(BLOCK, tiles - start)
                for unit in range(h):
                    _step_back(
                        unit, h, inside, plane, start, count, gates, (frame + unit) * 16 * tiles,
                        cells if time else nothing, (before + unit) * 4 * tiles if time else 0,
                        states, bends, from_pool, to_states, to_cells, sums,
                    )  # fmt: skip
                _add_up(sums, h, count, to_bias[clip])
                _bend_all(earlier, shown, bent, h, channels, 0, depth, plane, start, count)
                for point in range(POINTS):
                    for unit in range(h):
                        for four in range(fours):
                            target = (((clip * POINTS + point) * h + unit) * fours + four) * ROWS * ROWS
                            correlate(
                                sums, point * _apart(4 * h) + unit * 4 * BLOCK,
                                bent, point * _apart(depth) + four * ROWS * BLOCK, BLOCK, count, to_weight, target,
                            )  # fmt: skip
                    for four in range(backs):
                        source, value_at = (point * backs + four) * 4 * h * ROWS, point * _apart(4 * h)
                        target = point * _apart(ROWS * backs) + four * ROWS * BLOCK
                        for at in range(0, count, GROUP):
                            multiply(weight, source, sums, value_at + at, BLOCK, 4 * h, to_bent, target + at)
                between, place = _apart(ROWS * backs), plane.first + start
                for unit in range(h):
                    bend_back(to_bent, unit * BLOCK, between, to_earlier, unit * size + place, plane, count)
                for channel in range(wanted):
                    source = (h + channel) * BLOCK
                    bend_back(to_bent, source, between, to_shown, channel * size + place, plane, count)
            for channel in range(wanted):
                merge(to_shown, channel * size, plane, to_images[clip, channel, time])
            states, earlier = earlier, states
            bends, earlier_bends = earlier_bends, bends
            to_states, to_earlier = to_earlier, to_states


@compiled
def _add_up(sums: Array, h: int, count: int, to_bias: Array) -> None:
    """The fifth number of a tile's sixteen gradients, counted from zero, is the sum of its four pixels'."""
    for row in range(4 * h):
        at, total = 5 * _apart(4 * h) + row * BLOCK, sums[0] * 0
        for tile in range(count):
            total += sums[at + tile]
        to_bias[row] += total
