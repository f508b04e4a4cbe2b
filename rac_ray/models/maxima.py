"""Convolution over 3x3x3, 2x2x2 max pooling and ReLU on a CPU, for the gradient to visit the maxima alone.

The convolution is PyTorch's, with channels innermost. Through a maximum only one position in eight has a gradient, and
through ReLU about half of those, so that compiled loops over these need an eighth of what a whole gradient takes.
``pooled_convolution`` is faster where there are few channels. Clips are (B, C, T, H, W), float32 or float64; results
(B, h, T/2, H/2, W/2), rounded down.
"""

from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rac_ray.models.compiled import compiled, over_threads
from rac_ray.models.lanes import WIDTH, load, splat, store
from rac_ray.models.pooled_convolution import OFF, weighted

Array = NDArray[Any]
_ROWS = 8
"""Of pooled positions whose gradients are taken at once, of all channels: what meets them lies in the cache."""


class MaximaOfConvolution(torch.autograd.Function):
    """Clips, weight (h, C, 3, 3, 3) and bias (h,) -> what convolution, pooling and ReLU make of them."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        clips, weight, bias = inputs
        padded = _padded(clips)
        layout = torch.channels_last_3d
        whole = torch.conv3d(padded.permute(0, 4, 1, 2, 3), weight.contiguous(memory_format=layout), bias)
        whole = whole.permute(0, 2, 3, 4, 1).contiguous()
        pooled = clips.new_empty(len(clips), len(weight), *(side // 2 for side in clips.shape[2:]))
        places = torch.empty(pooled.shape, dtype=torch.uint8)
        over_threads(partial(_pool, *(each.detach().numpy() for each in (whole, pooled, places))), len(clips))
        ctx.save_for_backward(padded, weight, places)
        return pooled

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        padded, weight, places = ctx.saved_tensors
        wanted, (hidden, channels) = ctx.needs_input_grad[0], weight.shape[:2]
        lines = _lines(weight)
        to_clips = _room(padded.shape, padded) if wanted else padded[:0]
        to_lines = torch.zeros((len(padded), *lines.shape), dtype=weight.dtype)
        to_biases = torch.zeros((len(padded), hidden), dtype=torch.float64)
        tensors = (outputs[0].contiguous(), places, lines, to_lines, to_biases)
        flat = [_with_room(each) if len(each) else each.reshape(-1).numpy() for each in (padded, to_clips)]
        arrays = [*flat, tuple(padded.shape[1:]), *(each.detach().numpy() for each in tensors), wanted]
        over_threads(partial(_backward, *arrays), len(padded))
        summed = to_lines.sum(0, dtype=torch.float64)[..., : 3 * channels].view(hidden, 3, 3, 3, channels)
        inner = to_clips[:, 1:-1, 1:-1, 1:-1].permute(0, 4, 1, 2, 3) if wanted else None
        return inner, summed.permute(0, 4, 1, 2, 3).to(weight.dtype), to_biases.sum(0).to(weight.dtype)


def _room(shape: torch.Size, like: Tensor) -> Tensor:
    """Zeros; beyond the last number there is memory for a register."""
    return like.new_zeros(prod(shape) + WIDTH)[:-WIDTH].view(shape)


def _with_room(values: Tensor) -> Array:
    """All numbers in a row, and those beyond."""
    return torch.as_strided(values.detach(), (values.numel() + WIDTH,), (1,)).numpy()


def _padded(clips: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B, T + 2, H + 2, W + 2, C) with zeros around."""
    sides = (len(clips), *(side + 2 for side in clips.shape[2:]), clips.shape[1])
    padded = _room(torch.Size(sides), clips)
    padded[:, 1:-1, 1:-1, 1:-1] = clips.detach().permute(0, 2, 3, 4, 1)
    return padded


def _lines(weight: Tensor) -> Tensor:
    """(h, C, 3, 3, 3) -> (h, 9, 3C), the last filled up with zeros to whole registers: what meets a line of pixels."""
    lines = weight.detach().permute(0, 2, 3, 4, 1).flatten(3).flatten(1, 2)
    return torch.nn.functional.pad(lines, (0, -lines.shape[-1] % WIDTH)).contiguous()


@compiled
def _pool(whole: Array, pooled: Array, places: Array, first: int, last: int) -> None:
    """(B, T, H, W, h) to the maxima after ReLU, and which of the eight each was."""
    hidden, frames, rows, columns = pooled.shape[1:]
    best, where = np.empty(hidden, whole.dtype), np.empty(hidden, np.int32)
    for clip in range(first, last):
        for time in range(frames):
            for y in range(rows):
                for x in range(columns):
                    for number in range(8):
                        pixel = whole[clip, 2 * time + number // 4, 2 * y + number // 2 % 2, 2 * x + number % 2]
                        for channel in range(hidden):
                            value = pixel[channel]
                            larger = number == 0 or value > best[channel] or value != value
                            best[channel] = value if larger else best[channel]
                            where[channel] = number if larger else where[channel]
                    for channel in range(hidden):
                        value = best[channel]
                        pooled[clip, channel, time, y, x] = 0 if value <= 0 else value
                        places[clip, channel, time, y, x] = OFF if value <= 0 else where[channel]


@compiled
def _backward(
    padded: Array, back: Array, sides: Any, gradient: Array, places: Array, lines: Array, to_lines: Array,
    to_biases: Array, wanted: bool, first: int, last: int,
) -> None:  # fmt: skip
    """Gradients of each clip; those of the padded clips, zero before, only if they are wanted."""
    _, height, width, channels = sides
    hidden, frames, rows, columns = places.shape[1:]
    size, line = sides[0] * height * width * channels, width * channels
    active, values = np.empty(_ROWS * columns, np.int64), np.empty(_ROWS * columns, padded.dtype)
    sums = np.empty(9 * WIDTH, padded.dtype)
    for clip in range(first, last):
        own, own_back = padded[clip * size :], back[clip * size :]
        for time in range(frames):
            for top in range(0, rows, _ROWS):
                for channel in range(hidden):
                    count = 0
                    for y in range(top, min(rows, top + _ROWS)):
                        for x in range(columns):
                            place = int(places[clip, channel, time, y, x])
                            if place != OFF:
                                corner = (2 * time + place // 4) * height + 2 * y + place // 2 % 2
                                active[count] = (corner * width + 2 * x + place % 2) * channels
                                values[count] = gradient[clip, channel, time, y, x]
                                to_biases[clip, channel] += values[count]
                                count += 1
                    for start in range(0, lines.shape[2], WIDTH):
                        weighted(own[start:], active, values, count, height, line, sums)
                        for number in range(9):
                            row = to_lines[clip, channel, number]
                            store(row, start, load(row, start) + load(sums, number * WIDTH))
                    if wanted:
                        _spread(own_back, active, values, count, lines[channel], height * line, line)


@compiled
def _spread(back: Array, active: Array, values: Array, count: int, lines: Array, plane: int, line: int) -> None:
    """Add what each position's gradient is to the nine lines of three pixels that it came of."""
    for place in range(9):
        for start in range(0, lines.shape[1], WIDTH):
            factors, further = load(lines[place], start), place // 3 * plane + place % 3 * line + start
            for number in range(count):
                at = active[number] + further
                store(back, at, load(back, at) + splat(values, values[number]) * factors)
