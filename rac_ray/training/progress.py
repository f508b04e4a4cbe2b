"""What an epoch leaves behind: its row, the best weights, checkpoints at levels, and all that training goes on from."""

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from rac_ray.data.feed import Batch, Batches
from rac_ray.store.files import LAST_CHECKPOINT
from rac_ray.store.storage import Storage
from rac_ray.training.checkpoints import drop_others, keep
from rac_ray.training.classifier import Classifier, NotFinite
from rac_ray.training.selection import Keeper

CHECKPOINT_SECONDS = 10.0
"""Least time between two running checkpoints at ends of epochs."""
MIDWAY_SECONDS = 60.0
"""Least time before one in the middle of an epoch: what a lost process can lose of a long one."""
STEPS_BETWEEN = 8
"""Steps after which workers look whether such a one is due, all of them together."""


class TrialProgress(Checkpoint):
    """Keeps each epoch's row and the best weights (highest validation top-1, first epoch on ties), and saves it all.

    Lightning runs checkpoint callbacks after all others, so what is saved has the early stopping's count of this
    epoch in it. With ``keeper`` the checkpoints that its levels need lie in the folder, too: an epoch's is written
    before what says that it is needed, and deleted after what says that it is not, so that no crash leaves one missing.
    """

    def __init__(
        self,
        folder: Storage,
        batches: Batches,
        report: Callable[[dict[str, Any]], None],
        beat: Callable[[], None],
        keeper: Keeper | None = None,
        stop_at: float | None = None,
    ) -> None:
        self.folder = folder
        self.batches = batches
        self.report = report
        self.beat = beat
        self.keeper = keeper
        self.stop_at = stop_at
        self.epochs: list[dict[str, Any]] = []
        self.best_top1 = -1.0
        self.best_weights: dict[str, Tensor] = {}
        self.finished = False
        self.first_step_at = 0.0
        self.seconds_before = 0.0
        """Of the epochs, whole and begun, that came from a checkpoint."""
        self._epoch_started = 0.0
        self.midway: dict[str, Any] = {}
        """Of an epoch that a checkpoint in its middle has begun: the sums of each worker, and the time that it took."""
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        names = ("epochs", "best_top1", "best_weights", "finished", "midway")
        state = {name: getattr(self, name) for name in names}
        return state | ({"levels": dict(self.keeper.kept)} if self.keeper else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, value in state_dict.items():
            if name != "levels":
                setattr(self, name, value)
            elif self.keeper:
                self.keeper.kept = dict(value)
        self.seconds_before = sum(row["seconds"] for row in self.epochs) + self.midway.get("seconds", 0.0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Also of a training that goes on in the middle of an epoch, to which Lightning announces no epoch."""
        self.first_step_at = self._epoch_started = time.monotonic()
        if self.midway:
            totals = cast(Classifier, pl_module).train_totals
            totals.restore(self.midway["sums"], trainer.global_rank, trainer.world_size)
            self._epoch_started -= self.midway["seconds"]
            self.batches.seconds = self.midway["waited"]
            # Lightning does this, too, but not where a schedule has asked it for the number of steps before.
            self.batches.load_state_dict(self.midway["batches"])
            self.midway = {}

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started = time.monotonic()
        self.batches.seconds = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.beat()
        last = batch_idx + 1 == trainer.num_training_batches
        if (batch_idx + 1) % STEPS_BETWEEN == 0 and not last:
            due = time.monotonic() - self._saved_at > MIDWAY_SECONDS
            if trainer.strategy.broadcast(due):
                self._save_midway(trainer, cast(Classifier, pl_module))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.beat()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        classifier = cast(Classifier, pl_module)
        weights, seconds = classifier.model.state_dict(), time.monotonic() - self._epoch_started
        row = self.note(trainer.current_epoch, classifier.figures, classifier.clips, weights, seconds)
        self.keep_levels(row, weights, writes=trainer.is_global_zero)
        trainer.should_stop |= self.reached(row)
        self.finished = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        due = self.finished or time.monotonic() - self._saved_at > CHECKPOINT_SECONDS
        if trainer.strategy.broadcast(due):
            self._save(trainer)
        self.report(row)

    def note(
        self, epoch: int, figures: Mapping[str, float], clips: int, weights: Mapping[str, Tensor], seconds: float
    ) -> dict[str, Any]:
        """An epoch's row, which is taken down, as are its weights if they are the best so far. Raises NotFinite."""
        for name, said in (("train_loss", "training"), ("val_loss", "validation")):
            if not math.isfinite(figures[name]):
                raise NotFinite(f"{said} loss is {figures[name]} in epoch {epoch + 1}")
        if figures["val_top1"] > self.best_top1:
            self.best_top1 = figures["val_top1"]
            self.best_weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
        row = {
            "epoch": epoch,
            **figures,
            "best_val_top1": self.best_top1,
            "seconds": seconds,
            "clips": clips,
            "loader_wait_share": self.batches.seconds / seconds,
            "gpu_memory_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
        }
        self.epochs.append(row)
        return row

    def keep_levels(self, row: Mapping[str, Any], weights: Mapping[str, Tensor], *, writes: bool) -> None:
        """Write the epoch's checkpoint if a level needs it, where this process is the one that ``writes``."""
        if self.keeper and self.keeper.offer(row["epoch"], row["val_top1"]) and writes:
            keep(self.folder, row["epoch"], weights)

    def reached(self, row: Mapping[str, Any]) -> bool:
        """Whether the epoch has what training was to reach."""
        return self.stop_at is not None and row["val_top1"] >= self.stop_at

    def _save_midway(self, trainer: pl.Trainer, classifier: Classifier) -> None:
        sums = trainer.strategy.all_gather(classifier.train_totals.sums)
        seconds = time.monotonic() - self._epoch_started
        self.midway = {
            "sums": sums.view(-1, 3).cpu(),
            "seconds": seconds,
            "waited": self.batches.seconds,
            "batches": self.batches.state_dict(),
        }
        self._save(trainer)
        self.midway = {}

    def _save(self, trainer: pl.Trainer) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            path = f"{scratch}/{LAST_CHECKPOINT}"
            trainer.save_checkpoint(path, weights_only=False)
            if trainer.is_global_zero:
                self.put(path)
        self._saved_at = time.monotonic()

    def put(self, path: str) -> None:
        """Have a checkpoint in the folder, and no levels that it does not need."""
        with self.folder.writing(LAST_CHECKPOINT) as destination:
            shutil.copyfile(path, destination)
        if self.keeper:
            drop_others(self.folder, self.keeper.epochs)
