"""A ConvLSTM cell over all frames with its gradient written out: the CPU's way to run what ``convlstm`` defines.

Frames lie one after another with channels innermost, (T, B, H, W, C): the layout in which convolutions and pooling of
few channels are fastest on a CPU. Every intermediate is made once and overwritten in place; the gradient of the weights
is one convolution over all frames where autograd would sum one per frame. h hidden units; gates in the order input,
forget, output, candidate.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.grad import conv2d_input, conv2d_weight


class Recurrence(torch.autograd.Function):
    """Frames (T, B, H, W, C), weights (4h, C, k, k) and (4h, h, k, k), bias (4h,) -> hidden states (T, B, H, W, h).

    k is odd and frames are padded to keep their size. ``bias`` is that of both convolutions together. Works in float32
    and float64; not twice differentiable.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        frames, input_weight, state_weight, bias = inputs
        num_frames, hidden_units = len(frames), state_weight.shape[1]
        gates = _convolve(frames.flatten(0, 1), input_weight, bias).unflatten(0, (num_frames, -1))
        hidden = gates.new_empty(*gates.shape[:-1], hidden_units)
        cells, candidates, cell_tanhs = (torch.empty_like(hidden) for _ in range(3))
        for time in range(num_frames):
            now = gates[time]
            if time:
                now += _convolve(hidden[time - 1], state_weight)
            candidate = candidates[time].copy_(now[..., 3 * hidden_units :]).tanh_()
            enter, forget, leave, _ = now.sigmoid_().split(hidden_units, dim=-1)
            cell = torch.mul(enter, candidate, out=cells[time])
            if time:
                cell.addcmul_(forget, cells[time - 1])
            torch.mul(leave, torch.tanh(cell, out=cell_tanhs[time]), out=hidden[time])
        ctx.save_for_backward(frames, input_weight, state_weight, gates, cells, candidates, cell_tanhs, hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """``gates`` becomes the gradient before the gates' nonlinearities, frame by frame from the last one."""
        (hidden_gradient,) = outputs
        frames, input_weight, state_weight, gates, cells, candidates, cell_tanhs, hidden = ctx.saved_tensors
        hidden_units = state_weight.shape[1]
        upstream = torch.empty_like(gates[0])
        to_enter, to_forget, to_leave, to_candidate = upstream.split(hidden_units, dim=-1)
        from_later: Tensor | None = None
        later_cell: Tensor | None = None
        for time in reversed(range(len(frames))):
            now, candidate, cell_tanh = gates[time], candidates[time], cell_tanhs[time]
            enter, forget, leave, slope = now.split(hidden_units, dim=-1)
            to_hidden = hidden_gradient[time] if from_later is None else hidden_gradient[time] + from_later
            torch.mul(to_hidden, cell_tanh, out=to_leave)
            to_cell = _tanh_slope(cell_tanh).mul_(to_hidden).mul_(leave)
            if later_cell is not None:
                to_cell += later_cell
            torch.mul(to_cell, candidate, out=to_enter)
            torch.mul(to_cell, enter, out=to_candidate)
            if time:
                torch.mul(to_cell, cells[time - 1], out=to_forget)
                later_cell = to_cell.mul_(forget)
            else:
                to_forget.zero_()
            now.addcmul_(now, now, value=-1)
            slope.copy_(_tanh_slope(candidate))
            now *= upstream
            if time:
                from_later = _to_input(hidden[time - 1], state_weight, now)
        of_gates, of_frames = gates.flatten(0, 1), frames.flatten(0, 1)
        return (
            _to_input(of_frames, input_weight, of_gates).view_as(frames) if ctx.needs_input_grad[0] else None,
            _to_weight(of_frames, input_weight, of_gates),
            _to_weight(hidden[:-1].flatten(0, 1), state_weight, gates[1:].flatten(0, 1)),
            of_gates.sum((0, 1, 2)),
        )


def _tanh_slope(value: Tensor) -> Tensor:
    """The slope of tanh where it has ``value``."""
    return torch.mul(value, value).neg_().add_(1)


def _convolve(frames: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, H, W, C) -> (N, H, W, D)."""
    weight = weight.contiguous(memory_format=torch.channels_last)
    return torch.conv2d(_nchw(frames), weight, bias, padding=weight.shape[-1] // 2).permute(0, 2, 3, 1)


def _to_input(frames: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """Gradient (N, H, W, D) of the convolution's output to that of its input (N, H, W, C)."""
    weight = weight.contiguous(memory_format=torch.channels_last)
    padding = weight.shape[-1] // 2
    return conv2d_input(_nchw(frames).shape, weight, _nchw(gradient), padding=padding).permute(0, 2, 3, 1)


def _to_weight(frames: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """Gradient (N, H, W, D) of the convolution's output to that of its weight."""
    return conv2d_weight(_nchw(frames), weight.shape, _nchw(gradient), padding=weight.shape[-1] // 2)


def _nchw(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2)
