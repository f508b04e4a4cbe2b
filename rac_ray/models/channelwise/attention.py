"""Divided attention with its layer normalisation and projections: tokens (D, columns) to what it makes of them.

Neither function is twice differentiable.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rac_ray.models.channelwise.class_token import over_all, over_all_gradient
from rac_ray.models.channelwise.groups import over_groups, over_groups_gradient
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

Gradients = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Layout:
    """How the tokens of some clips lie, and which patches are a group."""

    clips: int
    heads: int
    groups: int
    members: int
    """Patches of a group."""
    group_step: int
    """Columns from a group's first patch to that of the next group."""
    member_step: int
    cosines: Tensor
    """(members, h), as ``timesformer.rotation`` has them."""
    sines: Tensor

    @property
    def tokens(self) -> int:
        """Of a clip."""
        return 1 + self.groups * self.members

    @property
    def shape(self) -> tuple[int, ...]:
        """What ``over_groups`` calls so."""
        channels = self.cosines.shape[1]
        return self.clips, channels, self.groups, self.members, self.group_step, self.member_step

    @property
    def blocks(self) -> int:
        """Of sixteen pairs of a group and a clip."""
        return -(-self.clips * self.groups // WIDTH)

    @property
    def class_blocks(self) -> int:
        """Of sixteen clips."""
        return -(-self.clips // WIDTH)


class Projected:
    """Queries (D, columns, or as many as clips), keys and values (D, columns) and what softmax takes them to.

    ``norms`` are, for every query of the class token and of patches, what scores lose before their exponential is taken
    and what that is multiplied by.
    """

    def __init__(self, layout: Layout, scale: float, parts: tuple[Tensor, ...], norms: tuple[Tensor, ...] = ()) -> None:
        self.layout, self.scale, self.parts = layout, scale, parts
        new = parts[0].new_empty
        self.norms = norms or (
            new(2, layout.heads * layout.class_blocks * WIDTH),
            new(2, layout.heads * layout.blocks * layout.members * WIDTH),
        )

    def _class_arguments(self) -> tuple[Any, ...]:
        shape = self.layout.clips, self.layout.cosines.shape[1], self.layout.tokens, self.parts[0].shape[1]
        return *self.parts, self.scale, shape

    def _arguments(self) -> tuple[Any, ...]:
        return *self.parts, self.layout.cosines, self.layout.sines, self.scale, self.layout.shape

    def class_token(self, out: Tensor) -> None:
        """Write what the class token gets into its columns of ``out``, as wide as queries are."""
        tasks = self.layout.heads * self.layout.class_blocks
        over_parts(over_all, tasks, *self._class_arguments(), out, *self.norms[0])

    def patches(self, out: Tensor) -> None:
        """Write what patches get into theirs."""
        over_parts(over_groups, self.layout.heads * self.layout.blocks, *self._arguments(), out, *self.norms[1])

    def class_token_gradient(self, out: Tensor, upstream: Tensor, results: tuple[Tensor, ...]) -> None:
        """Write the class token's queries and all keys and values of the gradient, ``results``."""
        tasks = self.layout.heads * self.layout.class_blocks
        over_parts(over_all_gradient, tasks, *self._class_arguments(), out, *self.norms[0], upstream, *results)

    def patches_gradient(self, upstream: Tensor, results: tuple[Tensor, ...]) -> None:
        """Write patches' queries, and add to keys and values."""
        layout = self.layout
        to_class = upstream.new_empty(2, len(upstream), layout.blocks * WIDTH)
        arguments = *self._arguments(), *self.norms[1], upstream, *results, *to_class
        over_parts(over_groups_gradient, layout.heads * layout.blocks, *arguments)
        of_groups = to_class[:, :, : layout.groups * layout.clips].unflatten(2, (layout.groups, layout.clips))
        for result, gradient in zip(results[1:], of_groups.sum(2), strict=True):
            result[:, : layout.clips] += gradient


class Attention(torch.autograd.Function):
    """Tokens (D, columns) plus what all of them get; D = heads * h.

    Inputs: tokens; gain and shift of the layer normalisation (D,); weight of queries, keys and values (3 * D, D) and of
    the output (D, D), its bias (D,); epsilon of the normalisation, scale of scores, Layout.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        tokens, gain, shift, to_qkv, to_out, bias, epsilon, scale, layout = inputs
        normal, shares = normalised(tokens, epsilon)
        projected = Projected(layout, scale, product(folded(to_qkv, None, gain, shift), normal).chunk(3))
        mixed = with_ones(len(tokens), tokens)
        projected.class_token(mixed)
        projected.patches(mixed)
        ctx.save_for_backward(normal, shares, mixed, gain, shift, to_qkv, to_out, *projected.parts, *projected.norms)
        ctx.scale, ctx.layout = scale, layout
        return product(biased(to_out, bias), mixed).add_(tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        normal, shares, mixed, gain, shift, to_qkv, to_out, *saved = ctx.saved_tensors
        projected = Projected(ctx.layout, ctx.scale, tuple(saved[:3]), tuple(saved[3:]))
        upstream = outputs[0].contiguous()
        of_out = product(upstream, mixed.t())
        to_mixed = product(transposed(to_out), upstream)
        to_projected = upstream.new_empty(3 * len(upstream), upstream.shape[1])
        projected.class_token_gradient(mixed, to_mixed, to_projected.chunk(3))
        projected.patches_gradient(to_mixed, to_projected.chunk(3))
        to_weight, _, to_gain, to_shift = unfolded(product(to_projected, normal.t()), to_qkv, gain, shift)
        to_normal = product(transposed(to_qkv * gain), to_projected)
        result = to_tokens(normal, shares, to_normal, upstream)
        return result, to_gain, to_shift, to_weight, of_out[:, :-1], of_out[:, -1], None, None, None


class ClassAttention(torch.autograd.Function):
    """The class token (D, clips) plus what it alone gets; inputs as those of ``Attention``."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        tokens, gain, shift, to_qkv, to_out, bias, epsilon, scale, layout = inputs
        normal, shares = normalised(tokens, epsilon)
        weight = folded(to_qkv, None, gain, shift)
        first = normal[:, : layout.clips].contiguous()
        query, (key, value) = product(weight[: len(tokens)], first), product(weight[len(tokens) :], normal).chunk(2)
        projected = Projected(layout, scale, (query, key, value))
        mixed = with_ones(len(tokens), query)
        projected.class_token(mixed)
        ctx.save_for_backward(normal, shares, mixed, gain, shift, to_qkv, to_out, *projected.parts, *projected.norms)
        ctx.scale, ctx.layout = scale, layout
        return product(biased(to_out, bias), mixed).add_(tokens[:, : layout.clips])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        normal, shares, mixed, gain, shift, to_qkv, to_out, *saved = ctx.saved_tensors
        projected = Projected(ctx.layout, ctx.scale, tuple(saved[:3]), tuple(saved[3:]))
        upstream, clips = outputs[0].contiguous(), ctx.layout.clips
        of_out, channels = product(upstream, mixed.t()), len(upstream)
        to_mixed = product(transposed(to_out), upstream)
        to_query, to_others = torch.empty_like(upstream), upstream.new_empty(2 * channels, normal.shape[1])
        projected.class_token_gradient(mixed, to_mixed, (to_query, *to_others.chunk(2)))
        first = normal[:, :clips].contiguous()
        of_weight = torch.cat((product(to_query, first.t()), product(to_others, normal.t())))
        to_weight, _, to_gain, to_shift = unfolded(of_weight, to_qkv, gain, shift)
        backwards = transposed(to_qkv * gain)
        to_normal = product(backwards[:, channels:].contiguous(), to_others)
        to_normal[:, :clips] += backwards[:, :channels] @ to_query
        beside = torch.zeros_like(to_normal)
        beside[:, :clips] = upstream
        result = to_tokens(normal, shares, to_normal, beside)
        return result, to_gain, to_shift, to_weight, of_out[:, :-1], of_out[:, -1], None, None, None
