"""A bag of frames: each frame by itself, without any time (as Temporal Segment Networks, Wang et al. 2016).

The logits are the mean of what a 2D CNN and a linear layer say of each frame, so that neither the order of frames nor
what two of them have in common says anything. Shapes: clips (B, T, C, H, W); h hidden units.
"""

from torch import Tensor, nn

from rac_ray.models.cnn3d import ChannelsInnermost
from rac_ray.models.normalisation import NORMS
from rac_ray.models.three_blocks import ThreeBlocks


class FrameBlock(nn.Sequential):
    """The 3D CNN's block without time: convolution of 3x3, 2x2 max pooling, ReLU, normalisation."""

    def __init__(self, channels: int, hidden_units: int, *, normalisation: str = "batch") -> None:
        super().__init__(
            ChannelsInnermost(channels, hidden_units, (1, 3, 3), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 2, 2)),
            nn.ReLU(),
            NORMS[normalisation](hidden_units),
        )


class BagOfFrames(ThreeBlocks):
    """Three blocks of h hidden units on each frame, the mean over frames, and a linear layer."""

    called = "the bag of frames"
    block = FrameBlock

    def read(self, encoded: Tensor) -> Tensor:
        """(B, h, T, H/8, W/8) -> the mean over frames."""
        return encoded.mean(2)
