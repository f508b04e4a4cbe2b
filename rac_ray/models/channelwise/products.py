"""Weights by tokens (D, columns), with what stands beside a weight made a part of it.

What is multiplied has a last row of ones, so that a bias is a last column of the weight; so is the shift of a layer
normalisation before it, whose gain multiplies the weight's columns.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rac_ray.models.channelwise.pointwise import normalise, normalise_gradient
from rac_ray.models.compiled import over_threads
from rac_ray.models.lanes import WIDTH

_SMALL = 8
"""Rows or columns below which a product's time goes into calling oneDNN."""


def _onednn() -> Any:
    """oneDNN's ``rows @ columns.T``, or None in a torch without it."""
    try:
        return torch.ops.mkldnn._linear_pointwise.default
    except AttributeError:
        return None


_LINEAR = _onednn()


def product(one: Tensor, other: Tensor) -> Tensor:
    """(N, K) @ (K, M) -> (N, M), contiguous; of one dtype, ``one`` contiguous, and ``other`` or its transpose.

    torch itself takes products of float32 to MKL. On processors of another maker than MKL's that is half as fast as
    oneDNN, which is as fast on all.
    """
    if _LINEAR is None or one.dtype != torch.float32 or min(*one.shape, *other.shape) < _SMALL:
        return one @ other
    return _LINEAR(one, other.t(), None, "none", [], "")


def over_parts(kernel: Callable[..., None], count: int, *arguments: Any) -> None:
    """Call ``kernel(*arguments, first, last)`` for parts of ``range(count)`` side by side.

    Contiguous tensors among the arguments become flat arrays of the same memory.
    """
    arrays = [one.detach().view(-1).numpy() if isinstance(one, Tensor) else one for one in arguments]
    over_threads(lambda first, last: kernel(*arrays, first, last), count)


def with_ones(rows: int, like: Tensor) -> Tensor:
    """(rows + 1, columns), of which only the last row is written."""
    made = like.new_empty(rows + 1, like.shape[1])
    made[rows] = 1
    return made


def normalised(tokens: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """(D, columns) -> the same of mean 0 and variance 1 with ones below, (D + 1, columns), and what scaled it."""
    channels, columns = tokens.shape
    normal, shares = with_ones(channels, tokens), tokens.new_empty(columns)
    over_parts(normalise, -(-columns // WIDTH), tokens, channels, columns, epsilon, normal, shares)
    return normal, shares


def to_tokens(normal: Tensor, shares: Tensor, upstream: Tensor, beside: Tensor) -> Tensor:
    """The gradient of ``normalised`` (D, columns), plus ``beside``."""
    result = torch.empty_like(upstream)
    channels, columns = upstream.shape
    arrays = normal, shares, upstream, beside, channels, columns, result
    over_parts(normalise_gradient, -(-columns // WIDTH), *arrays)
    return result


def folded(weight: Tensor, bias: Tensor | None, gain: Tensor, shift: Tensor) -> Tensor:
    """(N, D + 1): the weight for what is ``normalised``, which has neither gain nor shift yet."""
    constant = weight @ shift if bias is None else torch.addmv(bias, weight, shift)
    return biased(weight * gain, constant)


def unfolded(gradient: Tensor, weight: Tensor, gain: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradient (N, D + 1) of ``folded`` to those of weight, bias, gain and shift."""
    scaled, constant = gradient[:, :-1], gradient[:, -1].contiguous()
    to_weight = torch.addr(scaled * gain, constant, shift)
    return to_weight, constant, (scaled * weight).sum(0), weight.t() @ constant


def biased(weight: Tensor, bias: Tensor) -> Tensor:
    """(N, K + 1)."""
    return torch.cat((weight, bias[:, None]), dim=1)


def transposed(weight: Tensor) -> Tensor:
    return weight.t().contiguous()
