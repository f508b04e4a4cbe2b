"""ConvLRU blocks: a linear recurrence over frames at every pixel, between convolutions.

The linear recurrent unit of Orvieto et al. 2023 ("Resurrecting Recurrent Neural Networks for Long Sequences"), with a
convolution for its input matrix, as state spaces have it in ConvS5 (Smith et al. 2023). In ConvLSTM's place, with its
pooling, normalisation and head, and with as many weights in its convolutions as the 3D CNN. Shapes: clips
(B, T, C, H, W), permuted inside to (B, C, T, H, W); h hidden units; states are complex (B, h, T, H, W).
"""

import math

import torch
from torch import Tensor, nn

from rac_ray.models.cnn3d import ChannelsInnermost
from rac_ray.models.normalisation import NORMS
from rac_ray.models.three_blocks import ThreeBlocks

SLOWEST, FASTEST = 0.99, 0.5
"""Share of a state that a step leaves, of the h states when training begins: half-lives of one frame to 69."""
WIDEST_TURN = math.pi
"""Most radians that a step turns a state when training begins."""


def states_of(inputs: Tensor, log_factor: Tensor) -> Tensor:
    """States ``x[t] = exp(log_factor) * x[t - 1] + inputs[t]`` of all steps, of zero before the first.

    ``inputs`` are complex (B, h, T, H, W), ``log_factor`` (h,) with real parts of at most zero. A CPU goes step by
    step, where a state stays in the cache: measured eight times as fast as the scan.
    """
    return (step_by_step if inputs.device.type == "cpu" else scan)(inputs, log_factor)


def step_by_step(inputs: Tensor, log_factor: Tensor) -> Tensor:
    """The recurrence as it is defined, one frame after the other."""
    factor = log_factor.exp().view(-1, 1, 1)
    first, *others = inputs.unbind(2)
    states = [first]
    for of_frame in others:
        states.append(torch.addcmul(of_frame, factor, states[-1]))
    return torch.stack(states, dim=2)


def scan(inputs: Tensor, log_factor: Tensor) -> Tensor:
    """The same as an associative scan: each round adds what lies twice as far back as that of the round before.

    So T steps take log2(T) rounds of whole tensors.
    """
    states, reach = inputs, 1
    while reach < inputs.shape[2]:
        factor = torch.exp(reach * log_factor).view(-1, 1, 1, 1)
        further = torch.addcmul(states[:, :, reach:], factor, states[:, :, :-reach])
        states = torch.cat((states[:, :, :reach], further), dim=2)
        reach *= 2
    return states


class ConvLRUBlock(nn.Module):
    """Convolution of 3x3, recurrence of the states that it drives, their real output beside what passes them by; then
    2x2 max pooling, ReLU, normalisation.

    A step multiplies state k by ``exp(-exp(decay[k]) + i exp(turn[k]))``, whose size is below one whatever is learned;
    ``gain`` is the logarithm of what inputs are multiplied by, at first so that states are as large as inputs.
    """

    def __init__(self, channels: int, hidden_units: int, *, normalisation: str = "batch") -> None:
        super().__init__()
        self.hidden_units = hidden_units
        # Into real parts, imaginary parts, and past the states.
        self.into = ChannelsInnermost(channels, 3 * hidden_units, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.decay, self.turn, self.gain = (nn.Parameter(torch.empty(hidden_units)) for _ in range(3))
        self.out = ChannelsInnermost(2 * hidden_units, hidden_units, 1)
        self.pool = nn.MaxPool3d((1, 2, 2))
        self.norm = NORMS[normalisation](hidden_units)
        # Without values, where weights are only counted, there is nothing to draw.
        if not self.decay.is_meta:
            self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        """Factors uniform on the ring between both sizes, as in the paper."""
        self.decay.uniform_(FASTEST**2, SLOWEST**2).log_().mul_(-0.5).log_()
        self.turn.uniform_(0.001 * WIDEST_TURN, WIDEST_TURN).log_()
        # log(sqrt(1 - size ** 2)), of size ** 2 = exp(-2 * exp(decay))
        self.gain.copy_(self.decay).exp_().mul_(-2).expm1_().neg_().log_().mul_(0.5)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, h, T, H/2, W/2)."""
        driven, past = self.into(clips).split([2 * self.hidden_units, self.hidden_units], dim=1)
        # Numbers get the weights' precision by the gain, also where convolutions have 16 bits.
        real, imaginary = (driven * self.gain.exp().repeat(2).view(-1, 1, 1, 1)).contiguous().chunk(2, dim=1)
        states = states_of(torch.complex(real, imaginary), torch.complex(-self.decay.exp(), self.turn.exp()))
        outputs = self.out(torch.cat((states.real, states.imag), dim=1)) + past
        return self.norm(self.pool(outputs).relu())


class ConvLRU(ThreeBlocks):
    """Three blocks of h hidden units and a linear layer on the last time step of the last one."""

    called = "the ConvLRU"
    block = ConvLRUBlock
