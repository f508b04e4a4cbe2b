"""The feed-forward layer with its layer normalisation: tokens (D, columns) to what it makes of them."""

from typing import Any

import torch
from torch import Tensor

from rac_ray.models.channelwise.pointwise import gated, gated_gradient
from rac_ray.models.channelwise.products import (
    biased,
    flat,
    folded,
    normalised,
    product,
    to_tokens,
    transposed,
    unfolded,
    with_ones,
)
from rac_ray.models.compiled import over_threads
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
        arrays = flat(halves), flat(inner), count
        over_threads(lambda first, last: gated(*arrays, first, last), -(-count // WIDTH))
        ctx.save_for_backward(normal, shares, halves, gain, shift, widen, narrow)
        return product(biased(narrow, narrow_bias), inner).add_(tokens)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        normal, shares, halves, gain, shift, widen, narrow = ctx.saved_tensors
        upstream = outputs[0].contiguous()
        to_inner = product(transposed(narrow), upstream)
        inner, to_halves, count = with_ones(len(to_inner), upstream), torch.empty_like(halves), to_inner.numel()
        arrays = flat(halves), flat(to_inner), count, flat(inner), flat(to_halves)
        over_threads(lambda first, last: gated_gradient(*arrays, first, last), -(-count // WIDTH))
        of_narrow = product(upstream, inner.t())
        to_widen, to_bias, to_gain, to_shift = unfolded(product(to_halves, normal.t()), widen, gain, shift)
        result = to_tokens(normal, shares, product(transposed(widen * gain), to_halves), upstream)
        return result, to_gain, to_shift, to_widen, to_bias, of_narrow[:, :-1], of_narrow[:, -1], None
