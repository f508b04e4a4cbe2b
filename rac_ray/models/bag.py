"""A bag of frames: each frame by itself, without any time (as Temporal Segment Networks, Wang et al. 2016).

The logits are the mean of what a 2D CNN and a linear layer say of each frame, so that neither the order of frames nor
what two of them have in common says anything. Shapes: clips (B, T, C, H, W); h hidden units.
"""

from itertools import pairwise

from torch import Tensor, nn

from rac_ray.models.cnn3d import ChannelsInnermost
from rac_ray.models.normalisation import NORMS
from rac_ray.models.pooling import halved

BLOCKS = 3


class FrameBlock(nn.Sequential):
    """The 3D CNN's block without time: convolution of 3x3, 2x2 max pooling, ReLU, normalisation."""

    def __init__(self, channels: int, hidden_units: int, *, normalisation: str = "batch") -> None:
        super().__init__(
            ChannelsInnermost(channels, hidden_units, (1, 3, 3), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 2, 2)),
            nn.ReLU(),
            NORMS[normalisation](hidden_units),
        )


class BagOfFrames(nn.Module):
    """Three blocks of h hidden units on each frame, the mean over frames, and a linear layer.

    Its weights know no number of frames: it takes clips of any length.
    """

    def __init__(
        self,
        hidden_units: int,
        *,
        num_frames: int,
        frame_size: int,
        channels: int,
        num_classes: int,
        normalisation: str = "batch",
    ) -> None:
        super().__init__()
        side = halved(frame_size, BLOCKS, "the bag of frames", "pixels a side")
        widths = [channels] + [hidden_units] * BLOCKS
        self.encoder = nn.Sequential(*(FrameBlock(*pair, normalisation=normalisation) for pair in pairwise(widths)))
        self.classifier = nn.Linear(hidden_units * side**2, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        return self.classifier(self.encoder(clips.transpose(1, 2)).mean(2).flatten(1))
