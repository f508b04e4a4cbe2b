"""Scales of losses in 16 bits, one for each member of a stack: what overflows in one costs no other a step.

Each member's scale moves as that of ``torch.amp.GradScaler`` would if it trained alone.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

FIRST, GROWTH, BACK_OFF, INTERVAL = 2.0**16, 2.0, 0.5, 2000
"""``GradScaler``'s: what it begins with, and by what a scale grows after so many steps, or shrinks after a bad one."""


class LossScales:
    """Scales (N,) of the losses of N members whose weights are (N, ..). Asks the device for nothing."""

    def __init__(self, members: int) -> None:
        self.scale = torch.full((members,), FIRST)
        self.good_steps = torch.zeros(members, dtype=torch.int32)
        """Since the scale last moved, (N,)."""

    def onto(self, device: torch.device) -> None:
        """Lie on a device from now on."""
        self.scale, self.good_steps = self.scale.to(device), self.good_steps.to(device)

    def step(self, optimiser: Optimizer) -> None:
        """Make a step of SGD from gradients of scaled losses; a member of whose gradients one is not finite keeps
        weights and momentum as they are."""
        weights = [weight for group in optimiser.param_groups for weight in group["params"] if weight.grad is not None]
        gradients = [weight.grad for weight in weights]
        finite = torch.stack([gradient.isfinite().flatten(1).all(1) for gradient in gradients]).all(0)
        for gradient in gradients:
            gradient.mul_(_beside(1 / self.scale, gradient))
        kept = [value for weight in weights for value in (weight, *optimiser.state[weight].values())]
        before = [value.detach().clone() for value in kept]
        optimiser.step()
        with torch.no_grad():
            for value, old in zip(kept, before, strict=True):
                value.copy_(torch.where(_beside(finite, value), value, old))
        self._move(finite)

    def _move(self, finite: Tensor) -> None:
        steps = torch.where(finite, self.good_steps + 1, 0)
        grown = torch.where(steps == INTERVAL, self.scale * GROWTH, self.scale)
        self.scale.copy_(torch.where(finite, torch.where(grown.isfinite(), grown, self.scale), self.scale * BACK_OFF))
        self.good_steps.copy_(torch.where(steps == INTERVAL, 0, steps))

    def state_of(self, place: int) -> dict[str, Any]:
        """One member's, as its own ``GradScaler`` would save it."""
        return {
            "scale": float(self.scale[place]),
            "growth_factor": GROWTH,
            "backoff_factor": BACK_OFF,
            "growth_interval": INTERVAL,
            "_growth_tracker": int(self.good_steps[place]),
        }

    def load(self, place: int, state: Mapping[str, Any]) -> None:
        """What ``state_of``, or a ``GradScaler``, has saved."""
        self.scale[place], self.good_steps[place] = state["scale"], state["_growth_tracker"]


def _beside(values: Tensor, tensor: Tensor) -> Tensor:
    """(N,) as (N, 1, ..) with as many dimensions as ``tensor``."""
    return values.view(-1, *[1] * (tensor.dim() - 1))
