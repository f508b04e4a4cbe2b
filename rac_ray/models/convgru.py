"""ConvGRU blocks: recurrence over frames without a cell (Ballas et al. 2016, "Delving Deeper into Convolutional
Networks for Learning Video Representations").

In ConvLSTM's place, with its pooling, normalisation and head. Shapes: clips (B, T, C, H, W), permuted inside to
(B, C, T, H, W); h hidden units; what comes from a frame (B, 3h, H, W) in the order update, reset, candidate.
"""

import torch
from torch import Tensor, nn

from rac_ray.models.cnn3d import ChannelsInnermost
from rac_ray.models.normalisation import NORMS
from rac_ray.models.three_blocks import ThreeBlocks


class ConvGRUBlock(nn.Module):
    """ConvGRU cell over all frames, then 2x2 max pooling of every hidden state, then normalisation.

    The state starts at zero for each clip and recurs unpooled; all convolutions are of 3x3. A state is the last one but
    for the share that the update gate takes of the candidate, which sees the last one through the reset gate.
    """

    def __init__(self, channels: int, hidden_units: int, *, normalisation: str = "batch") -> None:
        super().__init__()
        self.hidden_units = hidden_units
        self.input_conv = ChannelsInnermost(channels, 3 * hidden_units, (1, 3, 3), padding=(0, 1, 1))
        self.gates_conv = nn.Conv2d(hidden_units, 2 * hidden_units, 3, padding=1, bias=False)
        self.candidate_conv = nn.Conv2d(hidden_units, hidden_units, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm = NORMS[normalisation](hidden_units)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, h, T, H/2, W/2)."""
        from_input = self.input_conv(clips)
        hidden = torch.zeros_like(from_input[:, : self.hidden_units, 0])
        outputs = []
        for from_frame in from_input.unbind(2):
            hidden = self._step(from_frame, hidden)
            outputs.append(self.pool(hidden))
        return self.norm(torch.stack(outputs, dim=2))

    def _step(self, from_frame: Tensor, hidden: Tensor) -> Tensor:
        """The state (B, h, H, W) after one more frame."""
        to_gates, to_candidate = from_frame.split([2 * self.hidden_units, self.hidden_units], dim=1)
        update, reset = (to_gates + self.gates_conv(hidden)).sigmoid().chunk(2, dim=1)
        candidate = (to_candidate + self.candidate_conv(reset * hidden)).tanh()
        return hidden + update * (candidate - hidden)


class ConvGRU(ThreeBlocks):
    """Three blocks of h hidden units and a linear layer on the last time step of the last one."""

    called = "the ConvGRU"
    block = ConvGRUBlock
