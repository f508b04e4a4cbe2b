"""(2+1)D-convolution blocks: space first, then time (Tran et al. 2018, "A Closer Look at Spatiotemporal Convolutions").

The 3D CNN with each convolution in two, and a ReLU between them; with as many weights, by the paper's rule for the
channels between the two. Shapes: clips (B, T, C, H, W), permuted inside to (B, C, T, H, W); h hidden units.
"""

from torch import Tensor, nn

from rac_ray.models.cnn3d import ChannelsInnermost
from rac_ray.models.normalisation import NORMS
from rac_ray.models.three_blocks import BLOCKS, ThreeBlocks, halved


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


class CNN2Plus1D(ThreeBlocks):
    """Three blocks of h hidden units and a linear layer on everything that is left, as in the 3D CNN.

    The linear layer's size follows from the number of frames, of which there have to be eight or more.
    """

    called = "the (2+1)D CNN"
    any_length = False
    block = FactorisedBlock

    def steps_read(self, num_frames: int) -> int:
        """All that are left after three poolings."""
        return halved(num_frames, BLOCKS, self.called, "frames")

    def read(self, encoded: Tensor) -> Tensor:
        """All of it."""
        return encoded
