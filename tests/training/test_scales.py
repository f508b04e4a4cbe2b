"""Scales of a stack's losses against a GradScaler for each member."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from rac_ray.training import scales
from rac_ray.training.scales import LossScales


def gradients_of(step: int, place: int) -> Tensor:
    """Of weights (3,); member 1's overflow in steps 1 and 2, member 2's in step 4."""
    bad = (place, step) in ((1, 1), (1, 2), (2, 4))
    return torch.tensor([1.0, torch.inf if bad else 2.0, -0.5 * (step + 1)]) * (place + 1)


def test_each_member_steps_and_scales_as_with_a_scaler_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scales, "INTERVAL", 3)
    weights = nn.Parameter(torch.arange(9.0).view(3, 3))
    together = SGD([weights], lr=0.1, momentum=0.5, weight_decay=0.1)
    together.state[weights]["momentum_buffer"] = torch.zeros_like(weights)
    ours = LossScales(3)
    alone = [nn.Parameter(weights[place].detach().clone()) for place in range(3)]
    optimisers = [SGD([each], lr=0.1, momentum=0.5, weight_decay=0.1) for each in alone]
    theirs = [torch.amp.GradScaler("cpu", growth_interval=3) for _ in alone]
    for step in range(9):
        weights.grad = torch.stack([gradients_of(step, place) * ours.scale[place] for place in range(3)])
        ours.step(together)
        for place, (weight, optimiser, scaler) in enumerate(zip(alone, optimisers, theirs, strict=True)):
            scaler.scale(torch.zeros(()))  # it makes its state with the first loss
            weight.grad = gradients_of(step, place) * scaler.get_scale()
            scaler.step(optimiser)
            scaler.update()
            torch.testing.assert_close(weights[place], weight, rtol=0, atol=0)
            assert ours.state_of(place) == scaler.state_dict()
    assert len(set(ours.scale.tolist())) == 3


def test_a_scale_is_taken_up_again() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.zeros(()))
    ours = LossScales(2)
    ours.load(1, {**scaler.state_dict(), "_growth_tracker": 7})
    assert ours.scale.tolist() == [scales.FIRST, 1024.0]
    assert ours.good_steps.tolist() == [0, 7]
