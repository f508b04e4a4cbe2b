"""Normalisations between the layers of convolutional models, whose activations are (B, h, T, H, W)."""

from torch import Tensor, nn


class PlainBatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation in the plain layout.

    With channels innermost PyTorch 2.13 sums each channel up in a single float on a CPU: statistics of a quarter of a
    million values were off by 0.3 %.
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.contiguous())


class FrameNorm(nn.GroupNorm):
    """Layer normalisation of each frame of each clip, over its channels and pixels, with a factor and bias by channel.

    No other clip and no other frame moves a value, so that training and evaluation compute the same.
    """

    def __init__(self, hidden_units: int) -> None:
        super().__init__(1, hidden_units)

    def forward(self, input: Tensor) -> Tensor:
        """(B, h, T, H, W) -> the same."""
        frames = input.transpose(1, 2)
        return super().forward(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).transpose(1, 2)


NORMS = {"batch": PlainBatchNorm3d, "layer": FrameNorm}
"""By the recipe's name for it; called with the number of channels."""
