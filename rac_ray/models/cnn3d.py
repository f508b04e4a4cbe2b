"""3D-convolution blocks: time as a third dimension of space (paper section 3.1; facts.md 2.1, 3.4).

Shapes: clips (B, T, C, H, W), permuted inside to (B, C, T, H, W); h hidden units.
"""

import math
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from rac_ray.errors import BadInput
from rac_ray.models.normalisation import NORMS
from rac_ray.models.reach import in_reach

MOST_WORK = 48
"""Products of channels in and out up to which a compiled pass is faster than convolution, pooling and ReLU."""


class ChannelsInnermost(nn.Conv3d):
    """A convolution which on a CPU keeps channels innermost: there convolution and pooling of few channels are fastest.

    A single channel gets a second one of zeros, because no layout is fast with one.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, h, T, H, W)."""
        clips, weight = input, self.weight
        if not in_reach(clips) or (self.in_channels == 1 and self.out_channels < 4):
            return super().forward(clips)
        if self.in_channels == 1:
            clips, weight = (nn.functional.pad(each, (0, 0, 0, 0, 0, 0, 0, 1)) for each in (clips, weight))
        layout = torch.channels_last_3d
        return self._conv_forward(
            clips.contiguous(memory_format=layout), weight.contiguous(memory_format=layout), self.bias
        )


class CNN3DBlock(nn.Sequential):
    """Convolution of ``kernel`` in all three dimensions, ReLU, 2x2x2 max pooling where asked for, batch normalisation.

    ReLU stands after the pooling: it is monotone, so both orders give the same values and gradients, at an eighth
    of the work.
    """

    def __init__(
        self,
        channels: int,
        hidden_units: int,
        kernel: int = 3,
        *,
        pooled: bool = True,
        pool_padding: int = 0,
        normalisation: str = "batch",
    ) -> None:
        super().__init__(
            ChannelsInnermost(channels, hidden_units, kernel, padding=kernel // 2),
            nn.MaxPool3d(2, padding=pool_padding) if pooled else nn.Identity(),
            nn.ReLU(),
            NORMS[normalisation](hidden_units),
        )
        self.plain = pooled and kernel == 3 and not pool_padding
        self.few = channels * hidden_units <= MOST_WORK

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, h, ..), half as long in each dimension where it pools."""
        if not (self.plain and in_reach(input)) or not (self.few or torch.is_grad_enabled()):
            return super().forward(input)
        from rac_ray.models.maxima import MaximaOfConvolution
        from rac_ray.models.pooled_convolution import PooledConvolution

        convolution, _, _, norm = self
        in_one = PooledConvolution if self.few else MaximaOfConvolution
        return norm(in_one.apply(input.contiguous(), convolution.weight, convolution.bias))


class CNN3D(nn.Module):
    """Blocks of h hidden units, or of ``widths``, and a linear layer on everything that is left, or on its mean.

    ``kernels`` has one per block, ``pooled`` the blocks that pool (counted from 0; None: all), padded by
    ``pool_padding``. The defaults are Temporal Shape's; ``diving48`` has those of the other study.
    """

    def __init__(
        self,
        hidden_units: int,
        *,
        num_frames: int,
        frame_size: int,
        channels: int,
        num_classes: int,
        widths: Sequence[int] = (),
        kernels: Sequence[int] = (3, 3, 3),
        pooled: Collection[int] | None = None,
        pool_padding: int = 0,
        head: Literal["flatten", "mean"] = "flatten",
        normalisation: str = "batch",
    ) -> None:
        super().__init__()
        widths = [channels, *(widths or [hidden_units] * len(kernels))]
        pools = [pooled is None or block in pooled for block in range(len(kernels))]
        self.encoder = nn.Sequential(
            *(
                CNN3DBlock(*pair, kernel, pooled=pool, pool_padding=pool_padding, normalisation=normalisation)
                for pair, kernel, pool in zip(pairwise(widths), kernels, pools, strict=True)
            )
        )
        self.head = head
        left = [num_frames, frame_size, frame_size]
        for _ in range(sum(pools)):
            left = [(size + 2 * pool_padding) // 2 for size in left]
        if 0 in left:
            least = 2 ** sum(pools)
            raise BadInput(
                f"clips for the 3D CNN have {num_frames} frames of {frame_size} pixels; valid: {least} or more of each"
            )
        self.classifier = nn.Linear(widths[-1] * (math.prod(left) if head == "flatten" else 1), num_classes)
        with torch.no_grad():
            # The released models saw one random clip in training mode when built; it moves the running statistics.
            # Without values, where weights are only counted, there is nothing to move.
            if not self.classifier.weight.is_meta:
                self.encoder(torch.rand(1, channels, num_frames, frame_size, frame_size))

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        encoded = self.encoder(clips.transpose(1, 2)).flatten(2)
        return self.classifier(encoded.flatten(1) if self.head == "flatten" else encoded.mean(2))
