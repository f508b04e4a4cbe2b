"""Convolution over 3x3x3, 2x2x2 max pooling and ReLU in one, compiled for a CPU: for the few channels of small models.

What is pooled away is never written to memory. Through a maximum only one position in eight has a gradient, and through
ReLU about half of those: the backward pass visits these alone. Clips are (B, C, T, H, W), float32 or float64, without
gaps; results (B, h, T/2, H/2, W/2), rounded down.
"""

from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rac_ray.models.compiled import compiled, over_threads
from rac_ray.models.lanes import WIDTH, load, peak, splat, store, where_equal

Array = NDArray[Any]
OFF = 8
"""In place of a position in the window of eight: ReLU has no gradient there."""


class PooledConvolution(torch.autograd.Function):
    """Clips, weight (h, C, 3, 3, 3) and bias (h,) -> what convolution, pooling and ReLU make of them."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        clips, weight, bias = inputs
        padded = _padded(clips)
        size = [len(clips), len(weight), *(side // 2 for side in clips.shape[2:])]
        pooled, places = clips.new_empty(size), torch.empty(size, dtype=torch.uint8)
        arrays = [each.detach().numpy() for each in (weight.contiguous(), bias, pooled, places)]
        over_threads(partial(_forward, padded.view(-1).numpy(), tuple(padded.shape[1:]), *arrays), len(clips))
        ctx.save_for_backward(padded, weight, places)
        return pooled

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        padded, weight, places = ctx.saved_tensors
        wanted = ctx.needs_input_grad[0]
        to_clips = torch.zeros_like(padded) if wanted else padded.new_empty((len(padded), 0, 0, 0, 0))
        to_weights = torch.zeros((len(padded), *weight.shape), dtype=torch.float64)
        to_biases = torch.zeros((len(padded), len(weight)), dtype=torch.float64)
        tensors = (outputs[0].contiguous(), padded, weight.contiguous(), places, to_clips, to_weights, to_biases)
        arrays = [each.detach().numpy() for each in tensors]
        over_threads(partial(_backward, *arrays, wanted), len(padded))
        inner = to_clips[:, :, 1:-1, 1:-1, 1:-1] if wanted else None
        return inner, to_weights.sum(0).to(weight.dtype), to_biases.sum(0).to(weight.dtype)


def _padded(clips: Tensor) -> Tensor:
    """Clips with zeros around; beyond the last number there is memory for a register."""
    sides = [len(clips), clips.shape[1], *(side + 2 for side in clips.shape[2:])]
    padded = clips.new_zeros(prod(sides) + WIDTH)[:-WIDTH].view(sides)
    padded[:, :, 1:-1, 1:-1, 1:-1] = clips
    return padded


@compiled
def _forward(
    flat: Array, sides: Any, weight: Array, bias: Array, pooled: Array, places: Array, first: int, last: int
) -> None:
    """The clips from ``first`` to ``last`` of padded ones (C, T + 2, H + 2, W + 2): even and odd columns
    apart, so that a lane is a window of pooling."""
    hidden, frames, rows, columns = pooled.shape[1:]
    channels, lines, half = sides[0], sides[1] * sides[2], columns + 1
    split = np.empty(channels * lines * 2 * half + WIDTH, flat.dtype)
    room = (columns + WIDTH - 1) // WIDTH * WIDTH
    best, where = np.empty(room, flat.dtype), np.empty(room, flat.dtype)
    for clip in range(first, last):
        for line in range(channels * lines):
            source, target = (clip * channels * lines + line) * sides[3], 2 * line * half
            for x in range(half):
                split[target + x] = flat[source + 2 * x]
                split[target + half + x] = flat[source + 2 * x + 1]
        for time in range(frames):
            for y in range(rows):
                for channel in range(hidden):
                    corner = (2 * time * sides[2] + 2 * y) * 2 * half
                    for x in range(0, room, WIDTH):
                        _window(split, sides, corner + x, half, weight[channel], bias[channel], best, where, x)
                    for x in range(columns):
                        value = best[x]
                        pooled[clip, channel, time, y, x] = 0 if value <= 0 else value
                        places[clip, channel, time, y, x] = OFF if value <= 0 else np.uint8(where[x])


@compiled
def _two(split: Array, at: int, half: int, factors: Any, left: Any, right: Any) -> Any:
    """Add what a line's pixels are worth to the left and right ones of sixteen pairs."""
    a, b, c, d = load(split, at), load(split, at + half), load(split, at + 1), load(split, at + half + 1)
    left = left + factors[0] * a + factors[1] * b + factors[2] * c
    return left, right + factors[0] * b + factors[1] * c + factors[2] * d


@compiled
def _window(
    split: Array, sides: Any, corner: int, half: int, weight: Array, bias: float, best: Array, where: Array, x: int
) -> None:
    """A channel's convolution in sixteen windows of eight places, and the largest of these: its place, too.

    Of equal values the first in the window's order counts, as in PyTorch.
    """
    channels, frames, height, _ = sides
    start, line, plane = splat(split, bias), 2 * half, 2 * half * height
    a, b, c, d = (start, start), (start, start), (start, start), (start, start)
    for source in range(channels):
        for after in range(3):
            for below in range(3):
                at = ((source * frames + after) * height + below) * line + corner
                factors = (
                    splat(split, weight[source, after, below, 0]),
                    splat(split, weight[source, after, below, 1]),
                    splat(split, weight[source, after, below, 2]),
                )
                a = _two(split, at, half, factors, a[0], a[1])
                b = _two(split, at + line, half, factors, b[0], b[1])
                c = _two(split, at + plane, half, factors, c[0], c[1])
                d = _two(split, at + plane + line, half, factors, d[0], d[1])
    highest = peak(peak(peak(a[0], a[1]), peak(b[0], b[1])), peak(peak(c[0], c[1]), peak(d[0], d[1])))
    place = where_equal(d[0], highest, splat(split, 6.0), splat(split, 7.0))
    place = where_equal(c[1], highest, splat(split, 5.0), place)
    place = where_equal(c[0], highest, splat(split, 4.0), place)
    place = where_equal(b[1], highest, splat(split, 3.0), place)
    place = where_equal(b[0], highest, splat(split, 2.0), place)
    place = where_equal(a[1], highest, splat(split, 1.0), place)
    store(best, x, highest)
    store(where, x, where_equal(a[0], highest, splat(split, 0.0), place))


@compiled
def _backward(
    gradient: Array,
    padded: Array,
    weight: Array,
    places: Array,
    to_clips: Array,
    to_weights: Array,
    to_biases: Array,
    wanted: bool,
    first: int,
    last: int,
) -> None:
    """Gradients of each clip; those of the padded clips only if they are wanted."""
    channels, _, height, width = padded.shape[1:]
    hidden, frames, rows, columns = places.shape[1:]
    active, values = np.empty(frames * rows * columns, np.int64), np.empty(frames * rows * columns, padded.dtype)
    sums = np.empty(9 * WIDTH, padded.dtype)
    for clip in range(first, last):
        for channel in range(hidden):
            count, total = 0, 0.0
            for time in range(frames):
                for y in range(rows):
                    for x in range(columns):
                        place = int(places[clip, channel, time, y, x])
                        if place != OFF:
                            corner = (2 * time + place // 4) * height + 2 * y + place // 2 % 2
                            active[count] = corner * width + 2 * x + place % 2
                            values[count] = gradient[clip, channel, time, y, x]
                            total += values[count]
                            count += 1
            to_biases[clip, channel] = total
            for source in range(channels):
                weighted(padded[clip, source].reshape(-1), active, values, count, height, width, sums)
                for line in range(9):
                    for beside in range(3):
                        place = (clip, channel, source, line // 3, line % 3, beside)
                        to_weights[place] = sums[line * WIDTH + beside]
                if wanted:
                    back = to_clips[clip, source].reshape(-1)
                    _spread(back, active, values, count, weight[channel, source], height, width)


@compiled
def weighted(flat: Array, active: Array, values: Array, count: int, height: int, width: int, sums: Array) -> None:
    """Sums (9, 16) over positions of a value times what lies beside it in nine lines; three of sixteen count."""
    nothing = splat(values, 0.0)
    a, b, c, d, e, f, g, h, i = nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing
    plane = height * width
    for number in range(count):
        value, at = splat(values, values[number]), active[number]
        a = a + value * load(flat, at)
        b = b + value * load(flat, at + width)
        c = c + value * load(flat, at + 2 * width)
        d = d + value * load(flat, at + plane)
        e = e + value * load(flat, at + plane + width)
        f = f + value * load(flat, at + plane + 2 * width)
        g = g + value * load(flat, at + 2 * plane)
        h = h + value * load(flat, at + 2 * plane + width)
        i = i + value * load(flat, at + 2 * plane + 2 * width)
    for number, found in enumerate((a, b, c, d, e, f, g, h, i)):
        store(sums, number * WIDTH, found)


@compiled
def _spread(back: Array, active: Array, values: Array, count: int, weight: Array, height: int, width: int) -> None:
    """Add what each position's gradient is to the 27 values that it came of."""
    for number in range(count):
        value, at = values[number], active[number]
        for after in range(3):
            for below in range(3):
                line = at + (after * height + below) * width
                for beside in range(3):
                    back[line + beside] += value * weight[after, below, beside]
