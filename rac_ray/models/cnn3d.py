"""Three 3D-convolution blocks: time as a third dimension of space (paper section 3.1; facts.md 2.1).

Shapes: clips (B, T, C, H, W), permuted inside to (B, C, T, H, W); h hidden units.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


class ChannelsInnermost(nn.Conv3d):
    """A convolution which on a CPU keeps channels innermost: there convolution and pooling of few channels are fastest.

    A single channel gets a second one of zeros, because no layout is fast with one.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, h, T, H, W)."""
        clips, weight = input, self.weight
        if clips.device.type != "cpu" or (self.in_channels == 1 and self.out_channels < 4):
            return super().forward(clips)
        if self.in_channels == 1:
            clips, weight = (nn.functional.pad(each, (0, 0, 0, 0, 0, 0, 0, 1)) for each in (clips, weight))
        layout = torch.channels_last_3d
        return self._conv_forward(
            clips.contiguous(memory_format=layout), weight.contiguous(memory_format=layout), self.bias
        )


class ExactBatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation in the plain layout.

    With channels innermost PyTorch 2.13 sums each channel up in a single float on a CPU: statistics of a quarter of a
    million values were off by 0.3 %.
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.contiguous())


class CNN3DBlock(nn.Sequential):
    """3x3x3 convolution, ReLU, 2x2x2 max pooling, batch normalisation.

    ReLU stands after the pooling: it is monotone, so both orders give the same values and gradients, at an eighth
    of the work.
    """

    def __init__(self, channels: int, hidden_units: int) -> None:
        super().__init__(
            ChannelsInnermost(channels, hidden_units, 3, padding=1),
            nn.MaxPool3d(2),
            nn.ReLU(),
            ExactBatchNorm3d(hidden_units),
        )


class CNN3D(nn.Module):
    """Three blocks of h hidden units and a linear layer on everything that is left."""

    def __init__(
        self, hidden_units: int, *, num_frames: int, frame_size: int, channels: int, num_classes: int, blocks: int = 3
    ) -> None:
        super().__init__()
        widths = [channels] + [hidden_units] * blocks
        self.encoder = nn.Sequential(*(CNN3DBlock(*pair) for pair in pairwise(widths)))
        left = (num_frames // 2**blocks) * (frame_size // 2**blocks) ** 2
        self.classifier = nn.Linear(hidden_units * left, num_classes)
        with torch.no_grad():
            # The released models saw one random clip in training mode when built; it moves the running statistics.
            self.encoder(torch.rand(1, channels, num_frames, frame_size, frame_size))

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        return self.classifier(self.encoder(clips.transpose(1, 2)).flatten(1))
