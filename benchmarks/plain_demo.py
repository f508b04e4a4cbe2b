"""The demo preset without this package's speed: ``python -m benchmarks.plain_demo FOLDER``.

Writes every part as JPEG files, trains the grid's trials one after the other by the plain loop, and evaluates the best
weights on every part. ``benchmarks.demo`` sets it against the real command.
"""

import copy
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, SequentialLR

from benchmarks.plain import batches_of, build_plain, evaluate, optimiser_of, train_epoch, write_jpegs
from rac_ray.identity import Recipe, Training
from rac_ray.studies.temporal_shape.domains import DIRECTIONS, Direction
from rac_ray.studies.temporal_shape.grid import DEMO, Grid

EVALUATIONS = "evaluations.csv"


@dataclass(frozen=True)
class Best:
    """The weights of the epoch with the highest validation top-1, the first on ties."""

    top1: float
    epoch: int
    weights: dict[str, Tensor]


def write_parts(grid: Grid, folder: Path) -> None:
    """Every part that the grid reads, as JPEG files."""
    counts = {"train": grid.train_clips, "val": grid.val_clips}
    for part in dict.fromkeys(part for source in grid.sources for part in DIRECTIONS[source].parts):
        domain, split = part.split("/")
        write_jpegs(folder / part, domain, split, counts.get(split, grid.test_clips))


def trainings_of(grid: Grid, precision: str) -> list[Training]:
    """All trainings of a grid, in the order that people read, whatever their clips."""
    axes = product(grid.sources, grid.models, grid.hidden_units, grid.seeds)
    return [
        Training(model, hidden_units, source, seed, grid.recipe(model).resolved(precision), "benchmark")
        for source, model, hidden_units, seed in axes
    ]


def train(training: Training, direction: Direction, folder: Path, device: torch.device) -> nn.Module:
    """Train by its recipe; returns the model with its best weights."""
    recipe = training.recipe
    torch.manual_seed(training.seed)
    model = build_plain(training.model, training.hidden_units).to(device)
    optimiser, scaler = optimiser_of(model, recipe), torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    batches = batches_of(folder / direction.train, recipe.batch_size, training=True, device=device)
    val_part = next(part for part, role in direction.evaluations.items() if role == "source_val")
    rate = rate_of(optimiser, recipe, len(batches))
    best = Best(-1.0, -1, {})
    for epoch in range(recipe.max_epochs):
        loss, _ = train_epoch(model, batches, optimiser, scaler, device, lambda _clips: rate.step(), recipe.clip_norm)
        top1 = evaluated(model, folder / val_part, recipe.batch_size, device)["top1"]
        said = f"{training.name} epoch {epoch}: train loss {loss:.4f}, val top-1 {top1:.3f}"
        print(said, file=sys.stderr, flush=True)
        if top1 > best.top1:
            best = Best(top1, epoch, copy.deepcopy(model.state_dict()))
        if epoch - best.epoch >= recipe.patience:
            break
    model.load_state_dict(best.weights)
    return model


def rate_of(optimiser: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int) -> LRScheduler:
    """The learning rate as the recipe has it: rising at first, then constant or down a cosine."""
    rising = max(1, round(recipe.warm_up * steps_per_epoch))
    first = LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / rising))
    if recipe.schedule == "constant":
        return first
    falling = CosineAnnealingLR(optimiser, recipe.max_epochs * steps_per_epoch - rising)
    return SequentialLR(optimiser, [first, falling], [rising])


def evaluated(model: nn.Module, part: Path, batch_size: int, device: torch.device) -> dict[str, Any]:
    """Clips, right answers and top-1 on one part."""
    correct, clips = evaluate(model, batches_of(part, batch_size, training=False, device=device), device)
    return {"clips": clips, "correct": correct, "top1": correct / clips}


def run(grid: Grid, folder: Path, device: torch.device) -> pd.DataFrame:
    """Everything, into ``evaluations.csv``: a row per trial and evaluation part."""
    write_parts(grid, folder)
    rows = []
    for training in trainings_of(grid, "16-mixed" if device.type == "cuda" else "32"):
        direction = DIRECTIONS[training.source]
        model = train(training, direction, folder, device)
        about = {name: getattr(training, name) for name in ("model", "hidden_units", "source", "seed")}
        for part, role in direction.evaluations.items():
            target, split = part.split("/")
            figures = evaluated(model, folder / part, training.recipe.batch_size, device)
            rows.append({**about, "target": target, "split": split, "role": role, **figures})
    table = pd.DataFrame(rows)
    table.to_csv(folder / EVALUATIONS, index=False)
    return table


if __name__ == "__main__":
    run(DEMO, Path(sys.argv[1]), torch.device("cuda" if torch.cuda.is_available() else "cpu"))
