"""(2+1)D-convolution blocks: space first, then time (Tran et al. 2018, "A Closer Look at Spatiotemporal Convolutions").

The 3D CNN with each convolution in two, and a ReLU between them; with as many weights, by the paper's rule for the
channels between the two. Shapes: clips (B, T, C, H, W), permuted inside to (B, C, T, H, W); h hidden units.
"""

from itertools import pairwise

from torch import Tensor, nn

from rac_ray.models.cnn3d import ChannelsInnermost
from rac_ray.models.normalisation import NORMS
from rac_ray.models.pooling import halved

BLOCKS = 3
NAME = "the (2+1)D CNN"


def channels_between(channels: int, hidden_units: int) -> int:
    """Most channels with which both convolutions have no more weights than one of 3x3x3 (the paper's section 3.5)."""
    return 27 * channels * hidden_units // (9 * channels + 3 * hidden_units)


class FactorisedBlock(nn.Sequential):
    """Convolution over space, normalisation, ReLU, convolution over time; then 2x2x2 max pooling, ReLU, normalisation.

    The second half is the 3D CNN's. The first convolution has no bias, for normalisation takes it away again.
    """

    def __init__(self, channels: int, hidden_units: int, *, normalisation: str = "batch") -> None:
        between = channels_between(channels, hidden_units)
        super().__init__(
            ChannelsInnermost(channels, between, (1, 3, 3), padding=(0, 1, 1), bias=False),
            NORMS[normalisation](between),
            nn.ReLU(),
            ChannelsInnermost(between, hidden_units, (3, 1, 1), padding=(1, 0, 0)),
            nn.MaxPool3d(2),
            nn.ReLU(),
            NORMS[normalisation](hidden_units),
        )


class CNN2Plus1D(nn.Module):
    """Three blocks of h hidden units and a linear layer on everything that is left, as in the 3D CNN.

    The linear layer's size follows from the number of frames, of which there have to be eight or more.
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
        steps = halved(num_frames, BLOCKS, NAME, "frames")
        side = halved(frame_size, BLOCKS, NAME, "pixels a side")
        widths = [channels] + [hidden_units] * BLOCKS
        self.encoder = nn.Sequential(
            *(FactorisedBlock(*pair, normalisation=normalisation) for pair in pairwise(widths))
        )
        self.classifier = nn.Linear(hidden_units * steps * side**2, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        return self.classifier(self.encoder(clips.transpose(1, 2)).flatten(1))
