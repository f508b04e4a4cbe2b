"""The gradient of a ConvLSTM cell over all frames of a clip, and of its pooling, compiled for a CPU: of ``gates``.

Arrays lie as described there. A frame at a time from the last one, a block of tiles with all that is to do with it.
States are made anew from output gates and cells, and the place of a maximum from the states.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.models.compiled import compiled
from rac_ray.models.gates import bend_all
from rac_ray.models.lanes import WIDTH, load, peak, splat, store, tanh, where_equal
from rac_ray.models.tile_products import ROWS, correlate, multiply
from rac_ray.models.tiles import BLOCK, GROUP, POINTS, apart, bend_back, merge, split, straight_back

Array = NDArray[Any]


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
def shares_of(pixels: Any, gradient: Any) -> Any:
    """The gradient of the largest of four pixels, the first one of equal ones as in PyTorch, and zero of the others."""
    highest = peak(peak(pixels[0], pixels[1]), peak(pixels[2], pixels[3]))
    nothing = gradient - gradient
    a = where_equal(pixels[0], highest, gradient, nothing)
    b = where_equal(pixels[1], highest, gradient - a, nothing)
    c = where_equal(pixels[2], highest, gradient - a - b, nothing)
    return a, b, c, where_equal(pixels[3], highest, gradient - a - b - c, nothing)


@compiled
def _pixel(number: int, share: Any, unit: int, at: int, plane: Any, gate_at: int, past_at: int, arrays: Any) -> Any:
    """Gradients of a pixel's four gates before their sigmoids and tanh; that of the cell becomes the cell's before.

    ``number`` is its place in a tile, ``share`` what comes of the pooling.
    """
    inside, gates, past, bends, to_states, to_cells = arrays
    tiles, tile = plane.tiles, number * plane.tiles + at
    own, gate, one = 4 * unit * tiles + tile, gate_at + tile, splat(gates, 1.0)
    enter, forget = load(gates, gate), load(gates, gate + 4 * tiles)
    leave, candidate = load(gates, gate + 8 * tiles), load(gates, gate + 12 * tiles)
    state = (4 * unit + number) * plane.size + plane.first + at
    upstream, bent = load(inside, tile) * load(to_states, state) + share, load(bends, own)
    of_cell = load(to_cells, own) + upstream * leave * (one - bent * bent)
    store(to_cells, own, of_cell * forget)
    return (
        of_cell * candidate * enter * (one - enter),
        of_cell * load(past, past_at + tile) * forget * (one - forget),
        upstream * bent * leave * (one - leave),
        of_cell * enter * (one - candidate * candidate),
    )


@compiled
def _step_back(
    unit: int, h: int, plane: Any, start: int, count: int, gate_at: int, past_at: int, states: Array, from_pool: Array,
    arrays: Any, sums: Array,
) -> None:  # fmt: skip
    """The gradient of a step of the cell: that of the sums of products, and of the cell before."""
    size, between = plane.size, apart(4 * h)
    for at in range(start, start + count, WIDTH):
        first = 4 * unit * size + plane.first + at
        upper = load(states, first), load(states, first + size)
        lower = load(states, first + 2 * size), load(states, first + 3 * size)
        shares = shares_of((*upper, *lower), load(from_pool, unit * plane.tiles + at))
        a = _pixel(0, shares[0], unit, at, plane, gate_at, past_at, arrays)
        b = _pixel(1, shares[1], unit, at, plane, gate_at, past_at, arrays)
        c = _pixel(2, shares[2], unit, at, plane, gate_at, past_at, arrays)
        d = _pixel(3, shares[3], unit, at, plane, gate_at, past_at, arrays)
        target = 4 * unit * BLOCK + at - start
        straight_back((a[0], b[0], c[0], d[0]), sums, target, between)
        straight_back((a[1], b[1], c[1], d[1]), sums, target + BLOCK, between)
        straight_back((a[2], b[2], c[2], d[2]), sums, target + 2 * BLOCK, between)
        straight_back((a[3], b[3], c[3], d[3]), sums, target + 3 * BLOCK, between)


@compiled
def _products_back(
    sums: Array, bent: Array, weight: Array, h: int, fours: int, backs: int, count: int, to_weight: Array,
    weight_at: int, to_bent: Array,
) -> None:  # fmt: skip
    """The gradients of both factors of a block's products."""
    for point in range(POINTS):
        source = point * apart(4 * h)
        for unit in range(h):
            for four in range(fours):
                value_at = point * apart(ROWS * fours) + four * ROWS * BLOCK
                target = weight_at + ((point * h + unit) * fours + four) * ROWS * ROWS
                correlate(sums, source + unit * 4 * BLOCK, bent, value_at, BLOCK, count, to_weight, target)
        for four in range(backs):
            row, target = (point * backs + four) * 4 * h, point * apart(ROWS * backs) + four * ROWS * BLOCK
            for at in range(0, count, GROUP):
                multiply(weight, ROWS * row, sums, source + at, BLOCK, 4 * h, to_bent, target + at)


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
    bent, sums = np.zeros(POINTS * apart(depth), kind), np.empty(POINTS * apart(4 * h), kind)
    to_bent, nothing = np.empty(POINTS * apart(ROWS * backs), kind), np.zeros(4 * tiles, kind)
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
            arrays = inside, gates, cells if time else nothing, bends, to_states, to_cells
            for start in range(0, tiles, BLOCK):
                count = min(BLOCK, tiles - start)
                for unit in range(h):
                    gate_at, past_at = (frame + unit) * 16 * tiles, (before + unit) * 4 * tiles if time else 0
                    _step_back(unit, h, plane, start, count, gate_at, past_at, states, from_pool, arrays, sums)
                _add_up(sums, h, count, to_bias[clip])
                bend_all(earlier, shown, bent, h, channels, 0, depth, plane, start, count)
                weight_at = clip * POINTS * h * fours * ROWS * ROWS
                _products_back(sums, bent, weight, h, fours, backs, count, to_weight, weight_at, to_bent)
                between, place = apart(ROWS * backs), plane.first + start
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
        at, total = 5 * apart(4 * h) + row * BLOCK, sums[0] * 0
        for tile in range(count):
            total += sums[at + tile]
        to_bias[row] += total
