"""The only LightningModule: any model of the registry, cross entropy, SGD, and exact counts of what was right."""

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from rac_ray.trial import Recipe

Batch = tuple[Tensor, Tensor]


def to_unit_range(frames: Tensor) -> Tensor:
    """Clips (B, T, C, H, W) uint8 to float32 in [0, 1], without further normalisation (facts.md 1.1)."""
    return frames.float().div_(255)


class NotFinite(RuntimeError):
    """A loss or logits became NaN or infinite."""


class Totals(Metric):
    """Sums over an epoch and over workers: loss, right answers, clips. Stays on the device until read."""

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.loss: Tensor
        self.correct: Tensor
        self.clips: Tensor
        self.add_state("loss", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("correct", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("clips", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """``loss`` is the batch's mean; ``logits`` (B, classes), ``labels`` (B,)."""
        self.loss += loss.detach().double() * len(labels)
        self.correct += (logits.detach().argmax(dim=1) == labels).sum()
        self.clips += len(labels)

    def compute(self) -> dict[str, Tensor]:
        return {"loss": self.loss / self.clips, "top1": self.correct / self.clips.double()}


class Classifier(pl.LightningModule):
    """Trains ``model`` by ``recipe``; monitors ``val_top1``, and keeps each epoch's exact figures in ``figures``."""

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.train_totals = Totals()
        self.val_totals = Totals()
        self.figures: dict[str, float] = {}
        """``train_loss, train_top1, val_loss, val_top1`` of the epoch that has just ended."""

    def forward(self, frames: Tensor) -> Tensor:
        """Clips (B, T, C, H, W) uint8 -> logits (B, num_classes)."""
        return self.model(to_unit_range(frames))

    def _loss(self, batch: Batch, totals: Totals) -> Tensor:
        frames, labels = batch
        logits = self(frames)
        loss = nn.functional.cross_entropy(logits, labels)
        totals.update(loss, logits, labels)
        return loss

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._loss(batch, self.train_totals)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._loss(batch, self.val_totals)

    def on_validation_epoch_end(self) -> None:
        """Validation ends before the training epoch does, when all of its steps are done: read both."""
        for prefix, totals in (("train", self.train_totals), ("val", self.val_totals)):
            values = cast(dict[str, Tensor], totals.compute())
            self.figures |= {f"{prefix}_{name}": float(value) for name, value in values.items()}
            totals.reset()
        self.log("val_top1", self.figures["val_top1"])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(
            self.model.parameters(),
            lr=self.recipe.learning_rate,
            momentum=self.recipe.momentum,
            weight_decay=self.recipe.weight_decay,
        )
