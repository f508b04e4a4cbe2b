"""The product's own ``fit`` and ``predict`` on a device: graphs against eager, resuming, evaluation, memory run out."""

import itertools
import logging
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.agreement import distance
from benchmarks.gpu.clips import clips
from benchmarks.gpu.compared import Stopped, largest, last_state, losses_apart, refusals, stopping_after
from benchmarks.gpu.fitting import TRAIN, VAL, feeds_of, fitted
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.plain import PLAIN_MODELS
from rac_ray.data.feed import Place
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe
from rac_ray.models import build_model
from rac_ray.store.storage import Storage
from rac_ray.sweep.failures import failure_of
from rac_ray.training import progress
from rac_ray.training.classifier import Classifier
from rac_ray.training.evaluate import predict
from rac_ray.training.fit import Fit

RESUMED = ("cnn3d", "timesformer1")
CAPPED_SHARE = {"training": 0.003, "evaluation": 0.01}
"""Of a GPU's memory, which a process may take while it is to run out of it."""


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Rows of four kinds."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    progress.CHECKPOINT_SECONDS = 0.0  # a checkpoint after every epoch: there is the state to compare
    train = clips("2dot", "train", sizes.batch * sizes.fitted_steps)
    val = clips("2dot", "val", sizes.batch * 3 // 2)
    runs = Runs(device, sizes, {TRAIN: train, VAL: val})
    for precision in ("16-mixed", "32") if device.type == "cuda" else ("32",):
        for model in PLAIN_MODELS:
            key = {"model": model, "hidden_units": sizes.fitted_hidden_units, "precision": precision}
            yield tried({"kind": "graphs", **key}, lambda key=key: runs.graphs_against_eager(key))
            yield tried({"kind": "evaluation", **key}, lambda key=key: runs.evaluation(key))
            if model in RESUMED:
                for graphs in (False, True):
                    name = {"kind": "resume", **key, "graphs": graphs}
                    yield tried(name, lambda key=key, graphs=graphs: runs.resumed(key, graphs))
    yield tried({"kind": "momentum"}, lambda: skipped_first_step(device))
    if device.type == "cuda":
        yield tried({"kind": "memory", "what": "an allocation"}, _one_allocation)
        yield tried({"kind": "memory", "what": "training"}, runs.training_out_of_memory)
        yield tried({"kind": "memory", "what": "evaluation"}, runs.evaluation_out_of_memory)


class Runs:
    """Fits of one recipe on the same clips."""

    def __init__(self, device: torch.device, sizes: Sizes, parts: dict[str, Clips]) -> None:
        self.device, self.sizes, self.parts = device, sizes, parts
        self.loss_scale: float | None = None
        """At the end of the latest fit in 16 bits; below what it began with where steps overflowed and were skipped."""

    def _fit(self, key: Row, graphs: bool, folder: Storage, **options: Any) -> Fit:
        epochs = self.sizes.fitted_epochs
        recipe = Recipe(batch_size=self.sizes.batch, max_epochs=epochs, patience=epochs, precision=key["precision"])
        trained, place = (key["model"], key["hidden_units"], recipe, self.parts), Place(device=self.device.type)
        return fitted(*trained, folder, place, cuda_graphs=graphs, **options)

    def _said(self, key: Row, model: nn.Module, parts: dict[str, Clips], device: torch.device) -> Tensor:
        """Logits (N, classes) of all clips of ``parts``, in batches of a device's size."""
        feeds = feeds_of(parts, key["model"], key["hidden_units"], self.sizes.batch, Place(device=device.type))
        batches = itertools.chain.from_iterable(feeds.asked(part).batches for part in parts)
        return torch.from_numpy(predict(model, batches, device=device, precision=key["precision"]))

    def _state(self, key: Row, graphs: bool, stop_after: int | None = None) -> tuple[Fit, dict[str, Tensor]]:
        """A fit, interrupted after an epoch and taken up again if so wanted, and its last weights."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Storage.at(scratch)
            if stop_after is not None:
                with suppress(Stopped):
                    self._fit(key, graphs, folder, report=stopping_after(stop_after))
            result = self._fit(key, graphs, folder)
            weights, self.loss_scale = last_state(folder)
            return result, weights

    def graphs_against_eager(self, key: Row) -> Row:
        """All steps of a fit, twice eager and once as graphs."""
        (one, weights), (again, same) = self._state(key, False), self._state(key, False)
        with refusals() as refused:
            graphs, replayed = self._state(key, True)
        return {
            "steps": self.sizes.fitted_epochs * self.sizes.fitted_steps,
            "weights": largest(replayed, weights),
            "weights_eager_again": largest(same, weights),
            "loss": losses_apart(graphs, one),
            "loss_eager_again": losses_apart(again, one),
            "val_top1_equal": [row["val_top1"] for row in graphs.epochs] == [row["val_top1"] for row in one.epochs],
            "last_loss": one.epochs[-1]["train_loss"],
            "refused": refused,
            "loss_scale": self.loss_scale,
        }

    def resumed(self, key: Row, graphs: bool) -> Row:
        """A fit interrupted half way and taken up again, against one that was not."""
        (whole, weights), (again, same) = self._state(key, graphs), self._state(key, graphs)
        taken_up, resumed = self._state(key, graphs, stop_after=self.sizes.fitted_epochs // 2 - 1)
        return {
            "epochs": [row["epoch"] for row in taken_up.epochs] == [row["epoch"] for row in whole.epochs],
            "weights": largest(resumed, weights),
            "weights_uninterrupted_again": largest(same, weights),
            "loss": losses_apart(taken_up, whole),
            "loss_uninterrupted_again": losses_apart(again, whole),
        }

    def evaluation(self, key: Row) -> Row:
        """Predictions of the same trained weights here and on a CPU in float32."""
        with tempfile.TemporaryDirectory() as scratch:
            model = self._fit(key, False, Storage.at(scratch)).model
        val = self.parts[VAL]
        parts = {VAL: val, "mnist_bg/test": clips("mnist_bg", "test", len(val))}
        logits = self._said(key, model, parts, self.device)
        expected = self._said({**key, "precision": "32"}, model, parts, torch.device("cpu"))
        same = (logits.argmax(dim=1) == expected.argmax(dim=1)).float().mean()
        return {"clips": len(logits), "logits": distance(logits, expected), "same_answers": float(same)}

    def training_out_of_memory(self) -> Row:
        """A large model's fit under a cap on this process's memory."""
        key = {"model": "convlstm", "hidden_units": 48, "precision": "16-mixed"}
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(CAPPED_SHARE["training"])
        try:
            with tempfile.TemporaryDirectory() as scratch:
                self._fit(key, False, Storage.at(scratch))
        except RuntimeError as error:
            return classified(error)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        raise RuntimeError("the memory was enough")

    def evaluation_out_of_memory(self) -> Row:
        """``predict`` halves its batches until they fit, and says the same."""
        key = {"model": "convlstm", "hidden_units": 16, "precision": "32"}
        with tempfile.TemporaryDirectory() as scratch:
            model = self._fit(key, False, Storage.at(scratch)).model
        parts, batches = {"2dot/test": clips("2dot", "test", 256)}, []
        model.register_forward_hook(lambda _model, frames, _logits: batches.append(len(frames[0])))
        whole = self._said(key, model, parts, self.device)
        wholes = len(batches)
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(CAPPED_SHARE["evaluation"])
        try:
            halved = self._said(key, model, parts, self.device)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        return {"batches": wholes, "batches_capped": len(batches) - wholes, "logits": distance(halved, whole)}


def skipped_first_step(device: torch.device) -> Row:
    """Largest momentum after a fused first step that overflowed: PyTorch's own optimiser, and ours."""
    found = {}
    for name in ("pytorch", "ours"):
        classifier = Classifier(build_model("cnn3d", 8), Recipe()).to(device)
        parameters = list(classifier.model.parameters())
        optimiser = classifier.configure_optimizers()
        if name == "pytorch":
            optimiser = torch.optim.SGD(parameters, lr=0.001, momentum=0.9, fused=True)
        optimiser.param_groups[0]["fused"] = optimiser._step_supports_amp_scaling = True
        scaler = torch.amp.GradScaler(device.type)
        scaler.scale(torch.stack([each.sum() for each in parameters]).sum() * torch.inf).backward()
        dirty = [torch.full_like(each, 7.0) for each in parameters for _ in range(8)]
        del dirty  # its memory is what a new tensor gets
        scaler.step(optimiser)
        momenta = [optimiser.state[each]["momentum_buffer"] for each in parameters]
        found[name] = max(float(value.nan_to_num(torch.inf).abs().max()) for value in momenta)
    return found


def _one_allocation() -> Row:
    """More than the whole card has."""
    try:
        torch.empty(torch.cuda.get_device_properties(0).total_memory + 2**30, dtype=torch.uint8, device="cuda")
    except RuntimeError as error:
        return classified(error)
    raise RuntimeError("the card gave more memory than it has")


def classified(error: BaseException) -> Row:
    """What the sweep would keep of an exception."""
    failure = failure_of(error)
    return {"class": failure["class"], "reason": failure["reason"][:200]}
