"""Seeds in one process by ``fit_stack`` against each of them alone by ``fit``: to the bit on a CPU, on a GPU nearly."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.agreement import farthest
from benchmarks.gpu.clips import clips
from benchmarks.gpu.compared import Stopped, largest, last_state, losses_apart, refusals, stopping_after
from benchmarks.gpu.fitting import TRAIN, VAL, fitted, seats_of
from benchmarks.gpu.precision import PRECISIONS, tf32
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.plain import PLAIN_MODELS
from rac_ray.data.feed import Place
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe
from rac_ray.models import build_model
from rac_ray.models.stacked import member, outputs_of, stacked
from rac_ray.store.storage import Storage
from rac_ray.training import progress
from rac_ray.training.fit import Fit
from rac_ray.training.fit_stack import Seat, fit_stack

LEFT = ("cnn3d", "timesformer1")
"""Models of which a seed leaves: one with statistics over batches, one without."""
ONE_STEP = ("fp32", "tf32", "16-mixed")
BROKEN = 1
"""The seed whose weights are no numbers."""


@dataclass(frozen=True)
class Run:
    """A seed's fit, and what its last checkpoint has."""

    fit: Fit
    weights: dict[str, Tensor]
    loss_scale: float | None


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Rows of five kinds. On a CPU members are computed one after the other, so that ``outputs`` is a GPU's only."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    progress.CHECKPOINT_SECONDS = 0.0  # a checkpoint after every epoch: there is the state to compare
    on_gpu = device.type == "cuda"
    for model in PLAIN_MODELS if on_gpu else ():
        for precision in ONE_STEP:
            key = {"kind": "outputs", "model": model, "hidden_units": sizes.fitted_hidden_units, "precision": precision}
            yield tried(key, lambda key=key: one_step(key, device, sizes))
    for precision in ("16-mixed", "32") if on_gpu else ("32",):
        for model in PLAIN_MODELS:
            seeds = Seeds(model, precision, device, sizes)
            key = {"model": model, "hidden_units": sizes.fitted_hidden_units, "precision": precision}
            for graphs in (False, True):
                kinds = {"together": seeds.together}
                if model in LEFT:
                    kinds |= {"one stops early": seeds.one_stops_early, "interrupted": seeds.interrupted}
                    kinds["one is not finite"] = seeds.one_is_not_finite
                for kind, measure in kinds.items():
                    name = {"kind": kind, **key, "graphs": graphs}
                    yield tried(name, lambda measure=measure, graphs=graphs: measure(graphs))


class Seeds:
    """Seeds of one recipe on the same clips."""

    def __init__(self, model: str, precision: str, device: torch.device, sizes: Sizes) -> None:
        epochs = sizes.stacked_epochs
        recipe = Recipe(batch_size=sizes.batch, max_epochs=epochs, patience=epochs).resolved(precision)
        train = clips("2dot", "train", sizes.batch * sizes.fitted_steps)
        parts = {TRAIN: train, VAL: clips("2dot", "val", sizes.batch * 3 // 2)}
        self.recipe, self.device, self.seeds = recipe, device, range(sizes.compared_seeds)
        self.clips: tuple[str, int, dict[str, Clips]] = model, sizes.fitted_hidden_units, parts

    @cached_property
    def alone(self) -> list[Run]:
        """Each seed by itself, kernel by kernel."""
        return [self._fitted(seed) for seed in self.seeds]

    @cached_property
    def again(self) -> Row:
        """How far the first seed is from itself, fitted alone a second time."""
        found = compared([self._fitted(self.seeds[0])], self.alone[:1])
        return {f"{name}_again": value for name, value in found.items()}

    def together(self, graphs: bool) -> Row:
        """A stack, beside a second fit of the first seed alone."""
        with refusals() as refused:
            found = self._stack(graphs, self.recipe)
        return {"seeds": len(self.seeds), **compared(found, self.alone), **self.again, "refused": refused}

    def one_stops_early(self, graphs: bool) -> Row:
        """A stack whose recipe stops at a top-1 that one seed reaches before another does."""
        level = between_seeds([[row["val_top1"] for row in run.fit.epochs] for run in self.alone])
        if level is None:
            return {"skipped": "all seeds have the same top-1 until their last epoch"}
        found = self._stack(graphs, replace(self.recipe, stop_at=level))
        pairs = [(one.fit, other.fit) for one, other in zip(found, self.alone, strict=True)]
        return {
            "epochs": [len(one.epochs) for one, _ in pairs],
            "epochs_alone": [len(until(other.epochs, level)) for _, other in pairs],
            "first_loss": max(losses_apart(one, other, 1) for one, other in pairs),
            "loss": max(losses_apart(one, other, len(one.epochs)) for one, other in pairs),
        }

    def interrupted(self, graphs: bool) -> Row:
        """A stack that is interrupted half way and taken up again."""
        found = self._stack(graphs, self.recipe, stop_after=self.recipe.max_epochs // 2 - 1)
        return compared(found, self.alone)

    def one_is_not_finite(self, graphs: bool) -> Row:
        """A stack of which one seed begins with weights that are no numbers."""
        with tempfile.TemporaryDirectory() as scratch:
            seats = self._seats(scratch, self.recipe)
            seats[BROKEN] = replace(seats[BROKEN], build=lambda: broken(*self.clips[:2]))
            ended = self._fit(seats, self.recipe, graphs)
            sound = [place for place in self.seeds if place != BROKEN]
            found = [self._run(ended[place], seats[place].folder) for place in sound]
        return {"failed": type(ended[BROKEN]).__name__, **compared(found, [self.alone[place] for place in sound])}

    def _fitted(self, seed: int) -> Run:
        with tempfile.TemporaryDirectory() as scratch:
            folder, (model, hidden_units, parts) = Storage.at(scratch), self.clips
            place = Place(device=self.device.type)
            return self._run(fitted(model, hidden_units, self.recipe, parts, folder, place, seed), folder)

    def _stack(self, graphs: bool, recipe: Recipe, stop_after: int | None = None) -> list[Run]:
        with tempfile.TemporaryDirectory() as scratch:
            if stop_after is not None:
                with suppress(Stopped):
                    seats = self._seats(scratch, recipe, report=stopping_after(stop_after))
                    self._fit(seats, recipe, graphs)
            seats = self._seats(scratch, recipe)
            ended = self._fit(seats, recipe, graphs)
            return [self._run(result, seat.folder) for result, seat in zip(ended, seats, strict=True)]

    def _seats(self, scratch: str, recipe: Recipe, **options: Any) -> list[Seat]:
        model, hidden_units, parts = self.clips
        place = Place(device=self.device.type)
        return seats_of(model, hidden_units, recipe, parts, Storage.at(scratch), place, self.seeds, **options)

    def _fit(self, seats: Sequence[Seat], recipe: Recipe, graphs: bool) -> list[Fit | Exception]:
        return fit_stack(seats, recipe, device=self.device, cuda_graphs=graphs)

    def _run(self, result: Fit | Exception, folder: Storage) -> Run:
        if isinstance(result, Exception):
            raise result
        return Run(result, *last_state(folder))


def compared(found: Sequence[Run], expected: Sequence[Run]) -> Row:
    """How far seeds are from the same ones of another run: the farthest of them."""
    pairs = list(zip(found, expected, strict=True))
    top1s = [[[row["val_top1"] for row in run.fit.epochs] for run in runs] for runs in (found, expected)]
    return {
        "weights": max(largest(one.weights, other.weights) for one, other in pairs),
        "first_loss": max(losses_apart(one.fit, other.fit, 1) for one, other in pairs),
        "loss": max(losses_apart(one.fit, other.fit) for one, other in pairs),
        "val_top1_equal": top1s[0] == top1s[1],
        "scales_equal": [run.loss_scale for run in found] == [run.loss_scale for run in expected],
    }


def between_seeds(top1s: Sequence[Sequence[float]]) -> float | None:
    """A top-1 that one seed reaches before another does, before the last epoch, as far from both as there is one.

    ``top1s`` are each seed's, epoch by epoch; None where all are as good as each other until then.
    """
    gaps = []
    for epochs in range(1, len(top1s[0])):
        best = [max(of[:epochs]) for of in top1s]
        gaps.append((max(best) - min(best), (max(best) + min(best)) / 2))
    widest, level = max(gaps)
    return level if widest > 0 else None


def until(epochs: Sequence[Row], level: float) -> list[Row]:
    """Epochs up to the first whose validation top-1 is ``level`` or more; all of them where none is."""
    ends = [number for number, row in enumerate(epochs, start=1) if row["val_top1"] >= level]
    return list(epochs[: ends[0]] if ends else epochs)


def broken(model: str, hidden_units: int) -> nn.Module:
    """A model one of whose tensors has NaN for every weight."""
    built = build_model(model, hidden_units)
    with torch.no_grad():
        next(built.parameters()).fill_(torch.nan)
    return built


def one_step(key: Row, device: torch.device, sizes: Sizes) -> Row:
    """Logits and gradients of a training step of all members at once, against each model by itself."""
    dtype, fewer_bits = PRECISIONS[key["precision"]]
    models = []
    for seed in range(sizes.compared_seeds):
        torch.manual_seed(seed)
        models.append(build_model(key["model"], key["hidden_units"]).to(device).train())
    whole, drawn = stacked(models), clips("2dot", "train", sizes.batch * len(models))
    types_together, types_alone = types_of_layers(whole), types_of_layers(models[0])
    frames = torch.from_numpy(drawn.frames).to(device).unsqueeze(2).float().div_(255).unflatten(0, (len(models), -1))
    labels = torch.from_numpy(drawn.labels).to(device).unflatten(0, (len(models), -1))
    with tf32(fewer_bits), torch.autocast(device.type, dtype, enabled=dtype is not None):
        together = outputs_of(whole, slice(0, len(models)), frames)
        alone = torch.stack([model(of) for model, of in zip(models, frames, strict=True)])
        for logits in (together, alone):
            nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum").backward()
    gradients = {name: value.grad for name, value in whole.named_parameters() if value.grad is not None}
    found = [
        farthest(member(gradients, place), {k: v.grad for k, v in model.named_parameters() if v.grad is not None})
        for place, model in enumerate(models)
    ]
    gradient, parameter = max(found)
    pairs = zip(together.detach(), alone.detach(), strict=True)
    logits = max(farthest({"logits": one}, {"logits": other})[0] for one, other in pairs)
    other = [name for name, dtype in types_alone.items() if types_together[name] != dtype]
    figures = {"logits": logits, "gradient": gradient, "parameter": parameter}
    return {**figures, "layers": len(types_alone), "other_types": other}


def types_of_layers(model: nn.Module) -> dict[str, torch.dtype]:
    """In what each layer with weights of its own gives its outputs, from the next call of the model on.

    Under ``vmap`` autocast meets other functions than without it, and may leave a layer in 32 bits.
    """
    found: dict[str, torch.dtype] = {}
    for name, layer in model.named_modules():
        if any(True for _ in layer.parameters(recurse=False)):

            def note(_layer: nn.Module, _inputs: object, outputs: Tensor, name: str = name) -> None:
                found[name] = outputs.dtype

            layer.register_forward_hook(note)
    return found
