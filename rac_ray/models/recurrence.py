"""A ConvLSTM cell over all frames, and the pooling of its states, with their gradient written out: the CPU's way to run
what ``convlstm`` defines.

All of a frame is done before the next one, clip by clip, in compiled loops (``gates``, ``gates_back``), so that nothing
but the activations which the gradient needs is written to memory. h hidden units; gates in the order input, forget,
output, candidate.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from rac_ray.models import gates, gates_back
from rac_ray.models.compiled import over_threads
from rac_ray.models.tile_products import ROWS
from rac_ray.models.tiles import POINTS, bent_weight, in_fours, inside, plane_of, straight_weight


class PooledRecurrence(torch.autograd.Function):
    """Images (B, C, T, H, W), weights (4h, C, 3, 3) and (4h, h, 3, 3), bias (4h,) and whether gradients are wanted ->
    states (B, h, T, H/2, W/2), the largest of 2x2 pixels each.

    Images are padded by zeros to keep their size. ``bias`` is that of both convolutions together. Works in float32 and
    float64; not twice differentiable.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        images, input_weight, state_weight, bias, wanted = inputs
        images, hidden_units = images.contiguous(), state_weight.shape[1]
        plane, kept = plane_of(*images.shape[3:]), images.shape[2] if wanted else 1
        weight = in_fours(_joined(input_weight, state_weight)).to(images.dtype)
        size = (len(images), kept, hidden_units, 4, plane.tiles)
        cells, kept_gates = images.new_empty(size), images.new_empty((*size[:3], 4, *size[3:]))
        pooled = images.new_empty(len(images), hidden_units, images.shape[2], *(side // 2 for side in images.shape[3:]))
        flat = [_flat(each) for each in (weight, _unit_by_unit(bias), inside(plane, images))]
        arrays = [images.detach().numpy(), *flat, plane, _flat(kept_gates), _flat(cells), pooled.numpy(), kept]
        over_threads(partial(gates.forward, *arrays), len(images))
        if wanted:
            ctx.save_for_backward(images, input_weight, state_weight, kept_gates, cells)
        return pooled

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, None]:
        images, input_weight, state_weight, kept_gates, cells = ctx.saved_tensors
        (count, channels), hidden_units = images.shape[:2], state_weight.shape[1]
        plane, wanted = plane_of(*images.shape[3:]), ctx.needs_input_grad[0]
        rows = hidden_units + (channels if wanted else 0)
        weight = in_fours(_joined(input_weight, state_weight)[..., :rows].transpose(1, 2)).to(images.dtype)
        to_images = torch.empty_like(images) if wanted else images[:, :0]
        fours = -(-(hidden_units + channels) // ROWS)
        to_weight = images.new_zeros(count, POINTS, hidden_units, fours, 4, ROWS)
        to_bias = torch.zeros(count, 4 * hidden_units, dtype=torch.float64)
        flat = [_flat(each) for each in (weight, inside(plane, images))]
        arrays = [
            images.detach().numpy(),
            *flat,
            plane,
            _flat(kept_gates),
            _flat(cells),
            outputs[0].contiguous().numpy(),
        ]
        arrays += [to_images.detach().numpy(), _flat(to_weight), to_bias.numpy()]
        over_threads(partial(gates_back.backward, *arrays), count)
        summed = to_weight.sum(0, dtype=torch.float64).transpose(2, 3).flatten(3).flatten(1, 2)
        found = _gate_by_gate(straight_weight(summed[..., : hidden_units + channels])).to(images.dtype)
        to_state_weight, to_input_weight = found.split([hidden_units, channels], dim=1)
        return (
            to_images if wanted else None,
            to_input_weight,
            to_state_weight,
            _gate_by_gate(to_bias.sum(0)).to(images.dtype),
            None,
        )


def _flat(values: Tensor) -> Any:
    """The numbers in their order, as an array of one dimension: where they lie, unless there are gaps."""
    return values.detach().reshape(-1).numpy()


def _joined(input_weight: Tensor, state_weight: Tensor) -> Tensor:
    """(16, 4h, h + C): both weights for bent tiles, the four gates of a hidden unit one after another."""
    return bent_weight(_unit_by_unit(torch.cat((state_weight, input_weight), dim=1).detach()))


def _unit_by_unit(values: Tensor) -> Tensor:
    """(4h, ..) by gate and unit -> by unit and gate."""
    return values.unflatten(0, (4, -1)).transpose(0, 1).flatten(0, 1)


def _gate_by_gate(values: Tensor) -> Tensor:
    """The reverse."""
    return values.unflatten(0, (-1, 4)).transpose(0, 1).flatten(0, 1)
