"""The forward pass of a whole TimeSformer: clips to logits, and how many clips are taken at once.

Of the last layer only the class token is read, so its patches are no more than keys and values there.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rac_ray.models.channelwise.attention import Attention, ClassAttention, Layout
from rac_ray.models.channelwise.feed_forward import FeedForward
from rac_ray.models.channelwise.products import product
from rac_ray.models.lanes import WIDTH
from rac_ray.models.reach import in_reach
from rac_ray.models.timesformer import WIDENING, patches, rotations

GROUP_BYTES = 3 * 2**20
"""Widest activation of the clips that are taken at once, unless so few would not fill registers."""


class Embedding(torch.autograd.Function):
    """Patches (columns - clips, P), the class token (1, D), weight (D, P), bias (D,) -> tokens (D, columns)."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        patches, class_token, weight, bias, clips = inputs
        tokens = weight.new_empty(len(weight), clips + len(patches))
        tokens[:, :clips] = class_token.t()
        torch.add(product(weight, patches.t()), bias[:, None], out=tokens[:, clips:])
        ctx.save_for_backward(patches)
        ctx.clips = clips
        return tokens

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (patches,), (upstream,) = ctx.saved_tensors, outputs
        of_patches = upstream[:, ctx.clips :].contiguous()
        to_class = upstream[:, : ctx.clips].sum(1)
        return None, to_class[None], product(of_patches, patches), of_patches.sum(1), None


def takes(transformer: Any, clips: Tensor) -> bool:
    """Whether this is the way for clips (B, T, C, H, W): in the weights' precision, and not too few tokens."""
    dtype = transformer.cls_token.dtype
    size, num_frames = transformer.patch_size, clips.shape[1]
    num_tokens = 1 + num_frames * (clips.shape[-2] // size) * (clips.shape[-1] // size)
    enough = len(clips) * num_tokens >= WIDTH
    return enough and in_reach(clips) and clips.dtype == dtype and not clips.requires_grad


def logits(transformer: Any, clips: Tensor) -> Tensor:
    """(B, T, C, H, W) -> logits (B, num_classes) of the library's TimeSformer."""
    together = clips_together(transformer, clips)
    return torch.cat([_logits(transformer, group) for group in clips.split(together)])


def clips_together(transformer: Any, clips: Tensor) -> int:
    """How many clips are taken at once: registers full of them, and more while activations stay in the cache."""
    columns = 1 + clips[0].numel() // (clips.shape[2] * transformer.patch_size**2)
    widest = columns * transformer.to_patch_embedding.out_features * WIDENING * clips.element_size()
    return max(1, GROUP_BYTES // widest // WIDTH) * WIDTH


def _logits(transformer: Any, clips: Tensor) -> Tensor:
    embedding, places = transformer.to_patch_embedding, patches(clips)
    (num_frames, rows, columns, count), num_patches = places.shape[:4], places.shape[1] * places.shape[2]
    turns = rotations(transformer, num_frames, rows, columns, clips)
    by_time, by_space = (tuple(turn.to(clips.dtype).contiguous() for turn in by) for by in turns)
    over_time = Layout(count, transformer.heads, num_patches, num_frames, count, num_patches * count, *by_time)
    over_space = Layout(count, transformer.heads, num_frames, num_patches, num_patches * count, count, *by_space)
    flattened = places.flatten(0, 3).flatten(1)
    tokens = Embedding.apply(flattened, transformer.cls_token, embedding.weight, embedding.bias, count)
    *layers, (last_in_time, last_in_space, last) = transformer.layers
    for in_time, in_space, feed_forward in layers:
        tokens = Attention.apply(tokens, *of_attention(in_time), over_time)
        tokens = Attention.apply(tokens, *of_attention(in_space), over_space)
        tokens = FeedForward.apply(tokens, *of_feed_forward(feed_forward))
    tokens = Attention.apply(tokens, *of_attention(last_in_time), over_time)
    of_class = ClassAttention.apply(tokens, *of_attention(last_in_space), over_space).t()
    return transformer.to_out(of_class + last(of_class))


def of_attention(layer: Any) -> tuple[Any, ...]:
    """What ``Attention`` takes of the library's layer."""
    norm, inner = layer.norm, layer.fn
    out = inner.to_out[0]
    return norm.weight, norm.bias, inner.to_qkv.weight, out.weight, out.bias, norm.eps, inner.scale


def of_feed_forward(layer: Any) -> tuple[Any, ...]:
    """What ``FeedForward`` takes."""
    norm, (widen, *_, narrow) = layer.norm, layer.fn.net
    return norm.weight, norm.bias, widen.weight, widen.bias, narrow.weight, narrow.bias, norm.eps
