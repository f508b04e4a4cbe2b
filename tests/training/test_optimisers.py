from typing import Any

import pytest
import torch
from torch import nn

from rac_ray import identity
from rac_ray.identity import Recipe
from rac_ray.training.optimisers import MAKERS, SHARES, optimiser_of, schedule_of


def model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def rates(recipe: Recipe, steps_per_epoch: int) -> list[float]:
    """The learning rate of every step of a training."""
    optimiser = optimiser_of(model(), recipe, on_gpu=False)
    schedule = schedule_of(optimiser, recipe, steps_per_epoch)
    assert schedule["interval"] == "step"
    found = []
    for _ in range(recipe.max_epochs * steps_per_epoch):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule["scheduler"].step()
    return found


def test_every_name_of_a_recipe_is_there() -> None:
    assert tuple(MAKERS) == identity.OPTIMISERS
    assert tuple(SHARES) == identity.SCHEDULES


def test_adamw_takes_one_step_as_it_is_published() -> None:
    """Loshchilov & Hutter, algorithm 2: after one step both moments are the gradient, corrected for their start."""
    recipe = Recipe(optimiser="adamw", learning_rate=0.01, weight_decay=0.1, precision="32")
    linear = model()
    before = [parameter.detach().clone() for parameter in linear.parameters()]
    optimiser = optimiser_of(linear, recipe, on_gpu=False)
    linear(torch.tensor([[1.0, -2.0, 3.0]])).square().sum().backward()
    optimiser.step()
    for parameter, old in zip(linear.parameters(), before, strict=True):
        assert parameter.grad is not None
        expected = old * (1 - 0.01 * 0.1) - 0.01 * parameter.grad / (parameter.grad.abs() + 1e-8)
        torch.testing.assert_close(parameter.detach(), expected)


def test_momentum_is_adamws_first_beta() -> None:
    optimiser: Any = optimiser_of(model(), Recipe(optimiser="adamw", momentum=0.8), on_gpu=False)
    assert optimiser.param_groups[0]["betas"] == (0.8, 0.999)


def test_which_recipes_keep_their_rate() -> None:
    assert Recipe(optimiser="adamw", clip_norm=1.0).keeps_rate
    assert not Recipe(warm_up=1).keeps_rate
    assert not Recipe(schedule="cosine").keeps_rate


def test_warming_up_rises_by_equal_parts_and_stays() -> None:
    found = rates(Recipe(learning_rate=0.4, warm_up=2, max_epochs=3), 2)
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_a_cosine_falls_to_nothing_over_all_epochs() -> None:
    found = rates(Recipe(learning_rate=1.0, schedule="cosine", max_epochs=2), 2)
    assert found == pytest.approx([1.0, 0.853553, 0.5, 0.146447], abs=1e-6)
    warm = rates(Recipe(learning_rate=1.0, schedule="cosine", warm_up=0.5, max_epochs=3), 2)
    assert warm == pytest.approx([1.0, 1.0, 0.904508, 0.654508, 0.345492, 0.095492], abs=1e-6)


def test_only_steps_that_are_all_alike_are_recorded() -> None:
    assert Recipe(label_smoothing=0.1).same_steps
    others = [{"optimiser": "adamw"}, {"schedule": "cosine"}, {"warm_up": 1.0}, {"clip_norm": 1.0}]
    assert not any(Recipe(**changes).same_steps for changes in others)
