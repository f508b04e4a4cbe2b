"""ViViT with factorised attention: within frames, then among them, in every layer (Arnab et al. 2021, its model 3).

A vision transformer with learned positions of places and of frames. Its attention has 8 heads of h hidden units, as
TimeSf-8's, so that tokens are D = 8h wide; four layers have about as many weights as TimeSf-8's three, whose
feed-forward layers are wider.

Shapes: clips (B, T, C, H, W) of T frames with N patches each; tokens (B, T, N, D), without any class token.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention as attend

from rac_ray.errors import BadInput

PATCH_SIZE = 16
POSITION_SCALE = 0.02
"""Standard deviation of positions when training begins, as of ViT."""


class Attention(nn.Module):
    """Attention of normalised tokens within their sequence, to be added to them.

    Queries, keys and values have no bias, as TimeSformer's; softmax would take that of keys away again.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, sequences, tokens, D) -> the same."""
        projected = self.to_qkv(self.norm(tokens)).flatten(0, 1).unflatten(-1, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        found = attend(query, key, value).transpose(1, 2).flatten(2)
        return self.to_out(found).unflatten(0, tokens.shape[:2])


class Layer(nn.Module):
    """Attention over space, attention over time, and a feed-forward layer four times as wide."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.over_space = Attention(width, heads)
        self.over_time = Attention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, N, D) -> the same."""
        tokens = tokens + self.over_space(tokens)
        tokens = tokens + self.over_time(tokens.transpose(1, 2)).transpose(1, 2)
        return tokens + self.feed_forward(tokens)


class ViViT(nn.Module):
    """Patches of 16x16 as tokens with learned positions, layers, and a linear layer on the mean of all tokens.

    Frames have a learned position each, so that clips have as many as it is built for; it can be any number.
    """

    def __init__(
        self,
        hidden_units: int,
        *,
        num_frames: int,
        frame_size: int,
        channels: int,
        num_classes: int,
        heads: int = 8,
        depth: int = 4,
    ) -> None:
        if frame_size % PATCH_SIZE:
            raise BadInput(
                f"clips for the ViViT have {frame_size} pixels a side; valid: multiples of {PATCH_SIZE} (its patches)"
            )
        super().__init__()
        width = hidden_units * heads
        self.embed = nn.Conv2d(channels, width, PATCH_SIZE, stride=PATCH_SIZE)
        self.places = nn.Parameter(torch.randn((frame_size // PATCH_SIZE) ** 2, width).mul_(POSITION_SCALE))
        self.times = nn.Parameter(torch.randn(num_frames, 1, width).mul_(POSITION_SCALE))
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        patches = self.embed(clips.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens = patches.unflatten(0, clips.shape[:2]) + self.places + self.times
        return self.classifier(self.norm(self.layers(tokens)).mean((1, 2)))
