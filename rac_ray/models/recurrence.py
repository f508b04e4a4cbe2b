"""A ConvLSTM cell over all frames, and the pooling of its states, with their gradient written out: the CPU's way to run
what ``convlstm`` defines.

Frames lie one after another with channels innermost, (T, B, H, W, C): the layout in which convolutions of few channels
are fastest on a CPU. What lies between the convolutions is compiled (``gates``). Backwards all is done with a frame
before the next one, while its gates lie in the cache. h hidden units; gates in the order input, forget, output,
candidate.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.grad import conv2d_input, conv2d_weight

from rac_ray.models import gates as loops
from rac_ray.models.compiled import over_threads

SIDE_BY_SIDE = ((4, 4), (8, 2))
"""Channels that a convolution has at most, and pixels to make side by side: measured with AVX-512."""
MOST_SIDE_BY_SIDE = SIDE_BY_SIDE[-1][0]


class PooledRecurrence(torch.autograd.Function):
    """Frames (T, B, H, W, C), weights (4h, C, k, k) and (4h, h, k, k), bias (4h,) -> states (T, B, H/2, W/2, h), the
    largest of 2x2 pixels each.

    k is odd and frames are padded to keep their size. ``bias`` is that of both convolutions together. Works in float32
    and float64; not twice differentiable.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        frames, input_weight, state_weight, bias = inputs
        num_frames, hidden_units = len(frames), state_weight.shape[1]
        gates = _convolve(frames.flatten(0, 1), input_weight, bias).unflatten(0, (num_frames, -1)).contiguous()
        hidden = gates.new_empty(*gates.shape[:-1], hidden_units)
        cells, before, nothing = torch.empty_like(hidden), torch.zeros_like(hidden[0]), gates.new_empty(0)
        pooled = gates.new_empty(*gates.shape[:2], *(side // 2 for side in gates.shape[2:4]), hidden_units)
        places = torch.empty(pooled.shape, dtype=torch.uint8)
        scales = loops.scales_of(hidden_units, _flat(nothing))
        for time in range(num_frames):
            state = _convolve(hidden[time - 1], state_weight) if time else nothing
            tensors = before, cells[time], hidden[time]
            step = partial(loops.forward, _flat(gates[time]), _flat(state), scales, *map(_flat, tensors))
            over_threads(step, before[..., 0].numel())
            before = cells[time]
        images = [each.flatten(0, 1).numpy() for each in (hidden, pooled, places)]
        over_threads(partial(loops.pool, *images), len(images[0]))
        ctx.save_for_backward(frames, input_weight, state_weight, gates, cells, hidden, places)
        return pooled

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """``gates`` becomes the gradient before the gates' nonlinearities, frame by frame from the last one."""
        pooled_gradient = outputs[0].contiguous()
        frames, input_weight, state_weight, gates, cells, hidden, places = ctx.saved_tensors
        nothing = torch.zeros_like(hidden[0])
        to_hidden, to_cell, from_later = torch.zeros_like(nothing), torch.zeros_like(nothing), nothing
        to_frames = torch.empty_like(frames) if ctx.needs_input_grad[0] else None
        to_input_weight, to_state_weight = torch.zeros_like(input_weight), torch.zeros_like(state_weight)
        to_bias = gates.new_zeros(gates.shape[-1])
        scales = loops.scales_of(state_weight.shape[1], _flat(nothing))
        for time in reversed(range(len(frames))):
            now, earlier = gates[time], cells[time - 1] if time else nothing
            images = [each.numpy() for each in (pooled_gradient[time], places[time], to_hidden)]
            over_threads(partial(loops.spread, *images), len(images[0]))
            states = map(_flat, (earlier, cells[time], to_hidden, from_later, to_cell))
            over_threads(partial(loops.backward, _flat(now), scales, *states), nothing[..., 0].numel())
            to_bias += now.sum((0, 1, 2))
            to_input_weight += _to_weight(frames[time], input_weight, now)
            if to_frames is not None:
                to_frames[time] = _to_input(frames[time], input_weight, now)
            if time:
                to_state_weight += _to_weight(hidden[time - 1], state_weight, now)
                from_later = _to_input(hidden[time - 1], state_weight, now)
        gates[:0].zero_()  # autograd does not see what compiled loops write, and is to refuse a second pass
        return to_frames, to_input_weight, to_state_weight, to_bias


def _flat(values: Tensor) -> Any:
    """The numbers in their order, as an array of one dimension: where they lie, unless there are gaps."""
    return values.detach().reshape(-1).numpy()


def _convolve(frames: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, H, W, C) -> (N, H, W, D)."""
    padding, together = weight.shape[-1] // 2, side_by_side(len(weight), frames.shape[2])
    if together > 1:
        weight = widened(weight, together)
        bias = None if bias is None else bias.repeat(together)
    weight = weight.contiguous(memory_format=torch.channels_last)
    found = torch.conv2d(_nchw(frames), weight, bias, stride=(1, together), padding=padding).permute(0, 2, 3, 1)
    return found.reshape(*frames.shape[:3], -1)


def side_by_side(channels: int, width: int) -> int:
    """Pixels that are made as if they were one with more channels: a CPU's kernels are made for sixteen or more."""
    wanted = next((pixels for most, pixels in SIDE_BY_SIDE if channels <= most), 1)
    return wanted if width % wanted == 0 else 1


def widened(weight: Tensor, together: int) -> Tensor:
    """(D, C, k, k) -> (together * D, C, k, k + together - 1): of pixels side by side each has the weight one further
    on."""
    wide = weight.new_zeros(together, *weight.shape[:3], weight.shape[3] + together - 1)
    for pixel in range(together):
        wide[pixel, ..., pixel : pixel + weight.shape[3]] = weight
    return wide.flatten(0, 1)


def _to_input(frames: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """Gradient (N, H, W, D) of the convolution's output to that of its input (N, H, W, C)."""
    if weight.shape[1] <= MOST_SIDE_BY_SIDE:
        return _convolve(gradient, weight.flip(2, 3).transpose(0, 1))
    weight = weight.contiguous(memory_format=torch.channels_last)
    padding = weight.shape[-1] // 2
    return conv2d_input(_nchw(frames).shape, weight, _nchw(gradient), padding=padding).permute(0, 2, 3, 1)


def _to_weight(frames: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """Gradient (N, H, W, D) of the convolution's output to that of its weight."""
    return conv2d_weight(_nchw(frames), weight.shape, _nchw(gradient), padding=weight.shape[-1] // 2)


def _nchw(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2)
