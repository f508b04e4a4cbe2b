"""What an epoch of a stack leaves behind: for each member what it would leave alone."""

import tempfile
import time
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping

from rac_ray.data.feed import Batch
from rac_ray.store.files import LAST_CHECKPOINT
from rac_ray.training import progress as pace
from rac_ray.training.classifier import NotFinite
from rac_ray.training.progress import STEPS_BETWEEN, TrialProgress
from rac_ray.training.stack import StackedClassifier, apart

SCALER = "MixedPrecision"
"""Lightning's name for what its checkpoints know of a scale of losses."""


@dataclass
class Member:
    """One seed of a stack, and how far it has come."""

    progress: TrialProgress
    stopping: EarlyStopping
    most_epochs: int
    checkpoint: dict[str, Any] | None = None
    """The last one that was written or found."""
    error: Exception | None = None
    """Why it can not go on."""

    @property
    def goes_on(self) -> bool:
        return self.error is None and not self.progress.finished

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and step with which it goes on."""
        if self.checkpoint is None:
            return 0, 0
        epoch, steps = self.checkpoint["epoch"], self.checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        return (epoch + 1, 0) if steps["is_last_batch"] else (epoch, steps["current"]["completed"])

    def note(self, epoch: int, figures: dict[str, float], weights: dict[str, torch.Tensor], seconds: float) -> None:
        """Take an epoch down, and whether it was the last one, but for the recipe's most."""
        of_row = dict(figures)
        clips = round(of_row.pop("clips"))
        try:
            row = self.progress.note(epoch, of_row, clips, weights, seconds)
        except NotFinite as error:
            self.error = error
            return
        self.progress.keep_levels(row, weights, writes=True)
        stops, _ = self.stopping._evaluate_stopping_criteria(torch.tensor(row["val_top1"]))
        last = epoch + 1 == self.most_epochs
        self.progress.finished = stops or last or self.progress.reached(row)

    def put(self, checkpoint: dict[str, Any]) -> None:
        """Write a checkpoint of its own, with all that callbacks of a training that goes on alone would look for."""
        known: list[tuple[str, dict[str, Any]]] = [
            (callback.state_key, callback.state_dict()) for callback in (self.stopping, self.progress)
        ]
        self.checkpoint = {**checkpoint, "callbacks": dict(known)}
        with tempfile.TemporaryDirectory() as scratch:
            path = f"{scratch}/{LAST_CHECKPOINT}"
            torch.save(self.checkpoint, path)
            self.progress.put(path)


class StackProgress(Checkpoint):
    """Brings each epoch's figures to the members, and writes their checkpoints when one is due for any of them.

    Training stops when a member leaves.
    """

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self._epoch_started = 0.0
        self._saved_at = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        classifier = cast(StackedClassifier, pl_module)
        self._epoch_started = time.monotonic()
        for place, each in enumerate(self.members):
            progress = each.progress
            progress.first_step_at = progress.first_step_at or self._epoch_started
            if progress.midway:
                classifier.train_totals.sums[place] = progress.midway["sums"].sum(0)
                self._epoch_started -= progress.midway["seconds"]
                progress.batches.seconds = progress.midway["waited"]
                progress.midway = {}

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started = time.monotonic()
        for each in self.members:
            each.progress.batches.seconds = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.members[0].progress.beat()
        last = batch_idx + 1 == trainer.num_training_batches
        due = time.monotonic() - self._saved_at > pace.MIDWAY_SECONDS
        if (batch_idx + 1) % STEPS_BETWEEN == 0 and not last and due:
            self._save_midway(trainer, cast(StackedClassifier, pl_module))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.members[0].progress.beat()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A member's seconds are its share of them: those of all members add up to the time that went by."""
        classifier, epoch = cast(StackedClassifier, pl_module), trainer.current_epoch
        seconds = (time.monotonic() - self._epoch_started) / len(self.members)
        for place, each in enumerate(self.members):
            each.note(epoch, classifier.member_figures[place], classifier.weights_of(place), seconds)
        trainer.should_stop = not all(each.goes_on for each in self.members)
        if trainer.should_stop or time.monotonic() - self._saved_at > pace.CHECKPOINT_SECONDS:
            self._save(trainer, classifier)
        for each in self.members:
            if each.error is None:
                each.progress.report(each.progress.epochs[-1])

    def _save_midway(self, trainer: pl.Trainer, classifier: StackedClassifier) -> None:
        seconds = (time.monotonic() - self._epoch_started) / len(self.members)
        for place, each in enumerate(self.members):
            each.progress.midway = {
                "sums": classifier.train_totals.sums[place].view(1, 3).cpu(),
                "seconds": seconds,
                "waited": each.progress.batches.seconds,
                "batches": each.progress.batches.state_dict(),
            }
        self._save(trainer, classifier)
        for each in self.members:
            each.progress.midway = {}

    def _save(self, trainer: pl.Trainer, classifier: StackedClassifier) -> None:
        """What a member that failed has written before stays as it is."""
        with tempfile.TemporaryDirectory() as scratch:
            path = f"{scratch}/{LAST_CHECKPOINT}"
            trainer.save_checkpoint(path, weights_only=False)
            whole = torch.load(path, map_location="cpu", weights_only=True)
        for place, each in enumerate(self.members):
            if each.error is None:
                scale = {} if classifier.scales is None else {SCALER: classifier.scales.state_of(place)}
                each.put({**apart(whole, place), **scale})
        self._saved_at = time.monotonic()
