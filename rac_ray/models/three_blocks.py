"""Models of three blocks that each halve a frame, and a linear layer; and what is left of a clip after halvings."""

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from rac_ray.errors import BadInput

BLOCKS = 3


def halved(size: int, times: int, model: str, what: str) -> int:
    """How long a dimension is after being halved some times, rounded down. Raises BadInput where nothing is left.

    ``model`` and ``what`` are for people: "the ConvGRU", "pixels a side".
    """
    if size < 2**times:
        raise BadInput(f"clips for {model} have {size} {what}; valid: {2**times} or more")
    return size // 2**times


class ThreeBlocks(nn.Module):
    """Three blocks of h hidden units, and a linear layer on what ``read`` takes of the last one.

    Unless a model reads more than one step, its weights know no number of frames: it takes clips of any length.
    """

    called: ClassVar[str]
    """What people call it, as in "the ConvGRU"."""
    any_length: ClassVar[bool] = True
    """Whether it takes clips of another length than it was built for."""
    block: ClassVar[type[nn.Module]]
    """``block(channels, hidden_units, normalisation=..)`` maps (B, C, T, H, W) to (B, h, .., H/2, W/2)."""

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
        steps = self.steps_read(num_frames)
        side = halved(frame_size, BLOCKS, self.called, "pixels a side")
        widths = [channels] + [hidden_units] * BLOCKS
        self.encoder = nn.Sequential(*(self.block(*pair, normalisation=normalisation) for pair in pairwise(widths)))
        self.classifier = nn.Linear(hidden_units * steps * side**2, num_classes)

    def steps_read(self, num_frames: int) -> int:
        """Time steps that the linear layer reads, of clips of so many frames. Raises BadInput for too few of them."""
        return 1

    def read(self, encoded: Tensor) -> Tensor:
        """(B, h, T, H/8, W/8) -> what the linear layer reads, flattened then: the last step."""
        return encoded[:, :, -1]

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        return self.classifier(self.read(self.encoder(clips.transpose(1, 2))).flatten(1))
