"""Optimisers and schedules of a recipe: what a step does to the weights."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from rac_ray.identity import Recipe

SECOND_BETA = 0.999
"""AdamW's decay of squared gradients; its decay of gradients is the recipe's momentum."""


def sgd(parameters: Iterable[nn.Parameter], recipe: Recipe, *, fused: bool) -> Optimizer:
    """With momentum, without Nesterov (facts.md section 2)."""
    weights = list(parameters)
    optimiser = torch.optim.SGD(
        weights, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, fused=fused
    )
    # A fused first step that overflows in 16 bits is skipped, but leaves a momentum of memory as it was found.
    for parameter in weights:
        optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimiser


def adamw(parameters: Iterable[nn.Parameter], recipe: Recipe, *, fused: bool) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, ICLR 2019)."""
    betas = (recipe.momentum, SECOND_BETA)
    return AdamW(parameters, recipe.learning_rate, betas, weight_decay=recipe.weight_decay, fused=fused)


MAKERS: dict[str, Callable[..., Optimizer]] = {"sgd": sgd, "adamw": adamw}
"""By the recipe's name for it; ``identity.OPTIMISERS`` has the same names."""


def optimiser_of(model: nn.Module, recipe: Recipe, *, on_gpu: bool) -> Optimizer:
    """The optimiser of all weights; on a GPU one kernel for all of them.

    With 16 bits the fused kernel does not ask the device whether a step may be made.
    """
    return MAKERS[recipe.optimiser](model.parameters(), recipe, fused=on_gpu)


def constant(step: int, *, warm_up: int, total: int) -> float:  # noqa: ARG001 - a schedule like any other
    """Share of the learning rate in a step: rising in ``warm_up`` steps, then constant."""
    return min(1.0, (step + 1) / warm_up) if warm_up else 1.0


def cosine(step: int, *, warm_up: int, total: int) -> float:
    """Share of the learning rate in a step: rising in ``warm_up`` steps, then half a cosine down to 0 at ``total``."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, total - warm_up))))


SHARES = {"constant": constant, "cosine": cosine}
"""By the recipe's name for it; ``identity.SCHEDULES`` has the same names."""


def schedule_of(optimiser: Optimizer, recipe: Recipe, steps_per_epoch: int) -> dict[str, Any]:
    """What Lightning steps after each step.

    A schedule is over all of ``max_epochs``; early stopping cuts it short.
    """
    warm_up, total = round(recipe.warm_up * steps_per_epoch), recipe.max_epochs * steps_per_epoch
    share = partial(SHARES[recipe.schedule], warm_up=warm_up, total=total)
    return {"scheduler": LambdaLR(optimiser, share), "interval": "step"}
