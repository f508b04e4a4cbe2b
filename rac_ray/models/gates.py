"""What a ConvLSTM cell does between its convolutions, and the pooling of its states, compiled for a CPU.

Arrays are flat and without gaps, float32 or float64, channels innermost: of P pixels gates (P * 4h) in the order input,
forget, output, candidate, and states (P * h), for h hidden units. Everything of a block of pixels is done before the
next, while it lies in the fastest cache.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, gate, load, splat, store, tanh

Array = NDArray[Any]
_BLOCK = 64
"""Pixels."""


@compiled
def _activate(gates: Array, more: Array, scales: Array, first: int, last: int) -> None:
    """Sigmoid, or where the scale is 2 tanh, of gates[first:last] + more; scales repeat, ``more`` may be empty."""
    at, period, added = first, len(scales) - WIDTH, len(more) > 0
    while at + WIDTH <= last:
        number = load(gates, at) + load(more, at) if added else load(gates, at)
        store(gates, at, gate(number, load(scales, at % period)))
        at += WIDTH
    for rest in range(at, last):
        number = gates[rest] + more[rest] if added else gates[rest]
        gates[rest] = math.tanh(number) if scales[rest % period] == 2 else 1 / (1 + math.exp(-number))


@compiled
def _by_registers(pixels: int, h: int) -> int:
    """Of a block's pixels those whose channels are moved by whole registers: what such a move has too much lies in
    pixels of the block, which come after it."""
    return max(0, pixels - (WIDTH + 4 * h - 2) // (4 * h))


@compiled
def _apart(gates: Array, start: int, pixels: int, h: int, parts: Any) -> None:
    """Each gate of a block of pixels in an array of its own, which has room for a register beyond the last."""
    quick = _by_registers(pixels, h)
    for pixel in range(quick):
        for number in range(4):
            for channel in range(0, h, WIDTH):
                value = load(gates, ((start + pixel) * 4 + number) * h + channel)
                store(parts[number], pixel * h + channel, value)
    for pixel in range(quick, pixels):
        for number in range(4):
            for channel in range(h):
                parts[number][pixel * h + channel] = gates[((start + pixel) * 4 + number) * h + channel]


@compiled
def _together(parts: Any, start: int, pixels: int, h: int, gates: Array) -> None:
    """The reverse."""
    quick = _by_registers(pixels, h)
    for pixel in range(quick):
        for number in range(4):
            for channel in range(0, h, WIDTH):
                value = load(parts[number], pixel * h + channel)
                store(gates, ((start + pixel) * 4 + number) * h + channel, value)
    for pixel in range(quick, pixels):
        for number in range(4):
            for channel in range(h):
                gates[((start + pixel) * 4 + number) * h + channel] = parts[number][pixel * h + channel]


@compiled
def _room(h: int, like: Array) -> Any:
    """An array for each of four gates of a block."""
    size = _BLOCK * h + 2 * WIDTH
    return (
        np.empty(size, like.dtype),
        np.empty(size, like.dtype),
        np.empty(size, like.dtype),
        np.empty(size, like.dtype),
    )


@compiled
def forward(
    gates: Array, from_state: Array, scales: Array, before: Array, cell: Array, hidden: Array, first: int, last: int
) -> None:
    """One time step of pixels ``first`` to ``last``; ``from_state``, to be added to the gates, may be empty."""
    h = (len(scales) - WIDTH) // (4 * WIDTH)
    parts = _room(h, gates)
    enter, forget, leave, candidate = parts
    for start in range(first, last, _BLOCK):
        pixels = min(last - start, _BLOCK)
        _activate(gates, from_state, scales, start * 4 * h, (start + pixels) * 4 * h)
        _apart(gates, start, pixels, h, parts)
        base, at = start * h, 0
        while at + WIDTH <= pixels * h:
            new = load(enter, at) * load(candidate, at) + load(forget, at) * load(before, base + at)
            store(cell, base + at, new)
            store(hidden, base + at, load(leave, at) * tanh(new))
            at += WIDTH
        for rest in range(at, pixels * h):
            new = enter[rest] * candidate[rest] + forget[rest] * before[base + rest]
            cell[base + rest], hidden[base + rest] = new, leave[rest] * math.tanh(new)


@compiled
def _gradients(
    enter: Any, forget: Any, leave: Any, candidate: Any, bent: Any, before: Any, upstream: Any, to_cell: Any, one: Any
) -> Any:
    """Of the four gates before their sigmoids and tanh, and of the cell before; ``bent`` is the cell's tanh."""
    of_cell = to_cell + upstream * leave * (one - bent * bent)
    return (
        of_cell * candidate * enter * (one - enter),
        of_cell * before * forget * (one - forget),
        upstream * bent * leave * (one - leave),
        of_cell * enter * (one - candidate * candidate),
        of_cell * forget,
    )


@compiled
def backward(
    gates: Array, scales: Array, before: Array, cell: Array, to_hidden: Array, from_later: Array, to_cell: Array,
    first: int, last: int,
) -> None:  # fmt: skip
    """Gates become the gradients of what they were before, ``to_cell`` that of the cell before."""
    h = (len(scales) - WIDTH) // (4 * WIDTH)
    parts, number = _room(h, gates), cell.dtype.type(1)
    enter, forget, leave, candidate = parts
    one = splat(gates, 1.0)
    for start in range(first, last, _BLOCK):
        pixels = min(last - start, _BLOCK)
        _apart(gates, start, pixels, h, parts)
        base, at = start * h, 0
        while at + WIDTH <= pixels * h:
            place = base + at
            found = _gradients(
                load(enter, at), load(forget, at), load(leave, at), load(candidate, at), tanh(load(cell, place)),
                load(before, place), load(to_hidden, place) + load(from_later, place), load(to_cell, place), one,
            )  # fmt: skip
            store(enter, at, found[0])
            store(forget, at, found[1])
            store(leave, at, found[2])
            store(candidate, at, found[3])
            store(to_cell, place, found[4])
            at += WIDTH
        for rest in range(at, pixels * h):
            place = base + rest
            bent = cell.dtype.type(math.tanh(cell[place]))
            found = _gradients(
                enter[rest], forget[rest], leave[rest], candidate[rest], bent, before[place],
                to_hidden[place] + from_later[place], to_cell[place], number,
            )  # fmt: skip
            enter[rest], forget[rest], leave[rest], candidate[rest], to_cell[place] = found
        _together(parts, start, pixels, h, gates)


def scales_of(hidden_units: int, like: Array) -> Array:
    """Of the gates of sixteen pixels 1 for a sigmoid, 2 for a tanh; and of as many more as a register has."""
    return np.resize(np.repeat(np.array([1, 1, 1, 2], like.dtype), hidden_units), 4 * WIDTH * hidden_units + WIDTH)


@compiled
def pool(states: Array, pooled: Array, places: Array, first: int, last: int) -> None:
    """Images (N, H, W, h) to the maxima (N, H/2, W/2, h) of 2x2 pixels, and which of the four each was."""
    rows, columns, hidden = pooled.shape[1:]
    for image in range(first, last):
        for y in range(rows):
            for x in range(columns):
                for channel in range(hidden):
                    best, place = states[image, 2 * y, 2 * x, channel], 0
                    for number in range(1, 4):
                        value = states[image, 2 * y + number // 2, 2 * x + number % 2, channel]
                        larger = value > best or value != value
                        best, place = (value, number) if larger else (best, place)
                    pooled[image, y, x, channel], places[image, y, x, channel] = best, place


@compiled
def spread(gradient: Array, places: Array, states: Array, first: int, last: int) -> None:
    """Gradients of maxima (N, H/2, W/2, h) to those of the pixels (N, H, W, h); what no window has stays as it is."""
    rows, columns, hidden = gradient.shape[1:]
    for image in range(first, last):
        for y in range(rows):
            for x in range(columns):
                for number in range(4):
                    for channel in range(hidden):
                        chosen = places[image, y, x, channel] == number
                        value = gradient[image, y, x, channel] if chosen else 0
                        states[image, 2 * y + number // 2, 2 * x + number % 2, channel] = value
