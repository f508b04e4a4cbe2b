"""Three 3D-convolution blocks: time as a third dimension of space (paper section 3.1; facts.md 2.1).

Shapes: clips (B, T, C, H, W), permuted inside to (B, C, T, H, W); h hidden units.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


class CNN3DBlock(nn.Sequential):
    """3x3x3 convolution, ReLU, 2x2x2 max pooling, batch normalisation.

    ReLU stands after the pooling: it is monotone, so both orders give the same values and gradients, at an eighth
    of the work.
    """

    def __init__(self, channels: int, hidden_units: int) -> None:
        super().__init__(
            nn.Conv3d(channels, hidden_units, 3, padding=1),
            nn.MaxPool3d(2),
            nn.ReLU(),
            nn.BatchNorm3d(hidden_units),
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
