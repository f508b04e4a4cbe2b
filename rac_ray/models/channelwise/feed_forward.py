"""The feed-forward layer with its layer normalisation: tokens (D, columns) to what it makes of them."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rac_ray.models.channelwise.pointwise import gated, gated_gradient
from rac_ray.models.channelwise.products import (
    biased,
    folded,
    normalised,
    over_parts,
    product,
    to_tokens,
    transposed,
    unfolded,
    with_ones,
)
from rac_ray.models.lanes import WIDTH


class FeedForward(torch.autograd.Function):
    """Tokens (D, columns) plus what they become; not twice differentiable.

    Inputs: tokens; gain and shift of the layer normalisation (D,); weight (2 * W, D) and bias (2 * W,) to values and
    their gates; weight (D, W) and bias (D,) back; epsilon of the normalisation.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        tokens, gain, shift, widen, widen_bias, narrow, narrow_bias, epsilon = inputs
        normal, shares = normalised(tokens, epsilon)
        halves = product(folded(widen, widen_bias, gain, shift), normal)
        inner, count = with_ones(narrow.shape[1], tokens), narrow.shape[1] * tokens.shape[1]
        over_parts(gated, -(-count // WIDTH), halves, inner, count)
        ctx.save_for_backward(normal, shares, halves, gain, shift, widen, narrow)
        return product(biased(narrow, narrow_bias), inner).add_(tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        normal, shares, halves, gain, shift, widen, narrow = ctx.saved_tensors
        upstream = outputs[0].contiguous()
        to_inner = product(transposed(narrow), upstream)
        inner, to_halves, count = with_ones(len(to_inner), upstream), torch.empty_like(halves), to_inner.numel()
        over_parts(gated_gradient, -(-count // WIDTH), halves, to_inner, count, inner, to_halves)
        of_narrow = product(upstream, inner.t())
        to_widen, to_bias, to_gain, to_shift = unfolded(product(to_halves, normal.t()), widen, gain, shift)
        result = to_tokens(normal, shares, product(transposed(widen * gain), to_halves), upstream)
        return result, to_gain, to_shift, to_widen, to_bias, of_narrow[:, :-1], of_narrow[:, -1], None
