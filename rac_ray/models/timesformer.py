"""TimeSformer with divided space-time attention, from timesformer-pytorch 0.4.1 (paper section 3.1; facts.md 2.1, 2.3).

Hidden units h are the width of one attention head (dim_head), so the residual stream is heads * h wide. Parameters and
their names are the library's. On a CPU the same arithmetic runs channel by channel (``channelwise``), on a GPU in fewer
kernels with fused attention. The library's own forward pass, a few clips at a time, is left for a CPU on which layers
are to be computed again in the backward pass or numbers have not the weights' precision, and for its other versions.

Shapes: clips (B, T, C, H, W) of T frames with N patches each; tokens (B, 1 + T * N, D), the class token first; queries,
keys and values (B, groups, heads, tokens of a group, h), where a group is what a patch attends to beside the class
token: the same place in all frames, or all places of a frame.
"""

import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention as attend
from torch.utils.checkpoint import checkpoint

from rac_ray.errors import BadInput
from rac_ray.models.reach import in_reach

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)
    from timesformer_pytorch import TimeSformer

PATCH_SIZE = 16
WIDENING = 8
"""Channels of the feed-forward layer's first half over those of the residual stream."""
_GROUP_BYTES = 12 * 2**20
"""Widest activation of the clips that the library works on together on a CPU; beyond it the cache is left too often."""
KNOWN_LIBRARY = version("timesformer-pytorch") == "0.4.1"
"""Whether the installed library is the one whose arithmetic is repeated here; with any other one its own runs."""
Rotation = tuple[Tensor, Tensor]
"""Cosines and signed sines (tokens of a group, h) of the rotary embedding."""


class TimeSformerClassifier(nn.Module):
    """TimeSformer layers with rotary embeddings and no dropout; the library's own head is the only one.

    With ``checkpointing`` a layer is computed again in the backward pass, not kept (on a CPU all of them at once).
    """

    any_length: ClassVar[bool] = True
    """Rotary positions are of any frame."""

    def __init__(
        self,
        hidden_units: int,
        *,
        heads: int,
        num_frames: int,
        frame_size: int,
        channels: int,
        num_classes: int,
        depth: int = 3,
        checkpointing: bool = False,
    ) -> None:
        if hidden_units % 2:
            raise BadInput(
                f"hidden units of a TimeSformer are {hidden_units}; valid: even numbers (rotary embeddings turn pairs)"
            )
        super().__init__()
        self.checkpointing = checkpointing
        self.transformer = TimeSformer(
            dim=hidden_units * heads,
            dim_head=hidden_units,
            heads=heads,
            depth=depth,
            num_frames=num_frames,
            image_size=frame_size,
            patch_size=PATCH_SIZE,
            channels=channels,
            num_classes=num_classes,
            rotary_emb=True,
            attn_dropout=0.0,
            ff_dropout=0.0,
        )

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        run = self._run()
        if clips.device.type != "cpu":
            return fused(self.transformer, clips, run) if KNOWN_LIBRARY else run(self.transformer, clips)
        if KNOWN_LIBRARY and run is _at_once and in_reach(clips):
            from rac_ray.models.channelwise import forward  # here, for it loads the compiler

            if forward.takes(self.transformer, clips):
                return forward.logits(self.transformer, clips)
        return torch.cat([run(self.transformer, group) for group in clips.split(self._clips_together(clips))])

    def _run(self) -> Callable[..., Any]:
        again = self.checkpointing and torch.is_grad_enabled()
        return partial(checkpoint, use_reentrant=False) if again else _at_once

    def _clips_together(self, clips: Tensor) -> int:
        """How many clips the library works on at once on a CPU."""
        num_tokens = 1 + clips[0].numel() // (clips.shape[2] * PATCH_SIZE**2)
        widest = num_tokens * self.transformer.to_patch_embedding.out_features * WIDENING * clips.element_size()
        return max(1, _GROUP_BYTES // widest)


def _at_once(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    return function(*inputs)


def fused(transformer: TimeSformer, clips: Tensor, run: Callable[..., Any] = _at_once) -> Tensor:
    """The library's forward pass, clips (B, T, C, H, W) to logits (B, num_classes), with fused attention.

    ``run(layer, tokens)`` computes a layer, or has it computed again in the backward pass.
    """
    parts: Any = transformer
    num_frames, (rows, columns) = clips.shape[1], (size // PATCH_SIZE for size in clips.shape[-2:])
    in_time, in_space = rotations(parts, num_frames, rows, columns, clips)
    embedded = parts.to_patch_embedding(cut(clips))
    tokens = torch.cat((parts.cls_token.expand(len(clips), 1, -1), embedded), dim=1)
    for layers in parts.layers:
        tokens = run(partial(_layer, layers, num_frames, in_time, in_space), tokens)
    return parts.to_out(tokens[:, 0])


def _layer(layers: Any, num_frames: int, in_time: Rotation, in_space: Rotation, tokens: Tensor) -> Tensor:
    over_time, over_space, feed_forward = layers
    tokens = tokens + divided_attention(over_time.fn, over_time.norm(tokens), num_frames, "time", in_time)
    tokens = tokens + divided_attention(over_space.fn, over_space.norm(tokens), num_frames, "space", in_space)
    return tokens + feed_forward(tokens)


def cut(clips: Tensor) -> Tensor:
    """Patches of all frames (B, T * N, PATCH_SIZE * PATCH_SIZE * C), rows before columns before channels."""
    return patches(clips).permute(3, 0, 1, 2, 4, 5, 6).flatten(1, 3).flatten(2)


def patches(clips: Tensor) -> Tensor:
    """A view of clips (B, T, C, H, W): (T, rows, columns of patches, B, PATCH_SIZE, PATCH_SIZE, C)."""
    rows = clips.unflatten(-2, (-1, PATCH_SIZE)).unflatten(-1, (-1, PATCH_SIZE))
    return rows.permute(1, 3, 5, 0, 4, 6, 2)


def rotations(transformer: Any, num_frames: int, rows: int, columns: int, like: Tensor) -> tuple[Rotation, Rotation]:
    """By time, and by place among rows and columns of patches, on the device of ``like``."""
    frequencies = transformer.frame_rot_emb.inv_freqs
    in_time = rotation(transformer.frame_rot_emb(num_frames, device=like.device), frequencies)
    return in_time, rotation(transformer.image_rot_emb(rows, columns, device=like.device), frequencies)


def rotation(sines_and_cosines: tuple[Tensor, Tensor], frequencies: Tensor) -> Rotation:
    """The library's (1, tokens, rotated channels) for all h channels; those that it passes by are turned by zero.

    The sign of the sines is that with which the two channels of a pair are exchanged.
    """
    sines, cosines = (value[0] for value in sines_and_cosines)
    passed_by = 2 * len(frequencies) - sines.shape[-1]
    sines = nn.functional.pad(sines, (0, passed_by))
    signed = torch.stack((-sines[:, 0::2], sines[:, 1::2]), dim=-1).flatten(1)
    return nn.functional.pad(cosines, (0, passed_by), value=1.0), signed


def rotated(channels: Tensor, by: Rotation) -> Tensor:
    """(.., tokens of a group, h) turned in pairs of channels."""
    cosines, signed_sines = by
    exchanged = channels.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return torch.addcmul(channels * cosines, exchanged, signed_sines)


def divided_attention(
    layer: Any, tokens: Tensor, num_frames: int, over: Literal["time", "space"], by: Rotation
) -> Tensor:
    """Patches attend to their group and to the class token, the class token to everything: (B, 1 + T * N, D) again."""
    # (B, 1 + T * N, 3, heads, h), of which the patches are (B, T, N, 3, heads, h)
    projected = layer.to_qkv(tokens).unflatten(-1, (3, layer.heads, -1))
    query, key, value = projected.permute(2, 0, 3, 1, 4)
    of_class = attend(query[:, :, :1], key, value, scale=layer.scale)
    patches = projected[:, 1:].unflatten(1, (num_frames, -1))
    # (3, B, groups, heads, tokens of a group, h)
    groups = patches.permute(3, 0, 2, 4, 1, 5) if over == "time" else patches.permute(3, 0, 1, 4, 2, 5)
    query, key = rotated(groups[:2], by).to(groups.dtype)
    of_all_groups = projected[:, :1].permute(2, 0, 1, 3, 4).unsqueeze(-2).expand(-1, -1, groups.shape[2], -1, -1, -1)
    key, value = torch.cat((of_all_groups[1], key), dim=-2), torch.cat((of_all_groups[2], groups[2]), dim=-2)
    # Fused kernels take four dimensions: (B * groups, heads, tokens, h).
    out = attend(query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), scale=layer.scale)
    out = out.unflatten(0, groups.shape[1:3])
    # back to the patches' (B, T, N, heads, h)
    of_patches = out.permute(0, 3, 1, 2, 4) if over == "time" else out.permute(0, 1, 3, 2, 4)
    return layer.to_out(torch.cat((of_class.transpose(1, 2).flatten(2), of_patches.flatten(3).flatten(1, 2)), dim=1))
