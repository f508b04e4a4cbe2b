"""The only LightningModule: any model of the registry, cross entropy, and exact counts of what was right."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from rac_ray.data.feed import Batch
from rac_ray.identity import Recipe
from rac_ray.training.optimisers import optimiser_of, schedule_of
from rac_ray.training.recorded import RecordedStep


def to_unit_range(frames: Tensor) -> Tensor:
    """Clips (B, T, C, H, W) uint8 to float32 in [0, 1], without further normalisation (facts.md 1.1)."""
    return frames.float().div_(255)


class NotFinite(RuntimeError):
    """A loss or logits became NaN or infinite."""


class Totals:
    """Sums over an epoch: loss, right answers, clips. They stay on the device, in one place, until they are read."""

    def __init__(self, *members: int) -> None:
        """Of one model, or of so many members of a stack."""
        self.sums = torch.zeros(*members, 3, dtype=torch.float64)

    def onto(self, device: torch.device) -> None:
        """Lie on a device from now on."""
        if self.sums.device != device:
            self.sums = self.sums.to(device)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """``loss`` is the batch's mean; ``logits`` (B, classes), ``labels`` (B,)."""
        self.onto(loss.device)
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        self.sums[0] += loss.detach().double() * len(labels)
        self.sums[1] += correct
        self.sums[2] += len(labels)

    def read(self, over_workers: Callable[[Tensor], Tensor] = lambda sums: sums) -> dict[str, float]:
        """Mean loss, top-1 and clips since the last reading; ``over_workers`` adds up what each of them has."""
        loss, correct, clips = over_workers(self.sums.clone()).tolist()
        self.sums.zero_()
        return {"loss": loss / clips, "top1": correct / clips, "clips": clips}

    def restore(self, sums: Tensor, rank: int, world: int) -> None:
        """Go on from the sums (W, 3) that each of W workers had; in a group of another size the first has all."""
        if len(sums) == world:
            self.sums = sums[rank].clone()
        elif rank == 0:
            self.sums = sums.sum(dim=0)


class Classifier(pl.LightningModule):
    """Trains ``model`` by ``recipe``; monitors ``val_top1``, and keeps each epoch's exact figures in ``figures``."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        *,
        cuda_graphs: bool = False,
        scaled: Callable[[Tensor], Tensor] = to_unit_range,
        share: float = 1.0,
    ) -> None:
        """Under ``cuda_graphs`` one worker's steps are recorded and replayed, where the recipe has ``same_steps``.

        ``scaled`` makes float32 of clips of uint8, on their device. ``share`` is what a worker has of a step's clips
        over an even share of them: gradients are averaged over workers, and each clip has to count the same.
        """
        super().__init__()
        self.model = model
        self.scaled = scaled
        self.share = share
        self.recipe = recipe
        self.train_totals = Totals()
        self.val_totals = Totals()
        self.figures: dict[str, float] = {}
        """``train_loss, train_top1, val_loss, val_top1`` of the epoch that has just ended."""
        self.clips = 0
        """Trained and validated in it by all workers."""
        self.automatic_optimization = not (cuda_graphs and recipe.same_steps)
        self._whole_train_step = RecordedStep(self._train_step, self._state)
        self._whole_val_step = RecordedStep(self._val_step, lambda: [self.val_totals.sums])

    def forward(self, frames: Tensor) -> Tensor:
        """Clips (B, T, C, H, W) uint8 -> logits (B, num_classes)."""
        return self.model(self.scaled(frames))

    def loss(self, frames: Tensor, labels: Tensor, totals: Totals, smoothing: float = 0.0) -> Tensor:
        """Mean cross entropy of a batch, which is added to ``totals``."""
        logits = self(frames)
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        totals.add(loss, logits, labels)
        return loss

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        if self.automatic_optimization:
            return self.share * self.loss(*batch, self.train_totals, self.recipe.label_smoothing)
        return self._whole_train_step(*batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        if self.automatic_optimization:
            self._val_step(*batch)
        else:
            self._whole_val_step(*batch)

    def _train_step(self, frames: Tensor, labels: Tensor) -> None:
        """What Lightning does in a step, in one function that asks the device for nothing."""
        optimiser, scaler = self.trainer.optimizers[0], self._scaler()
        optimiser.zero_grad()
        loss = self.share * self.loss(frames, labels, self.train_totals, self.recipe.label_smoothing)
        if scaler is None:
            loss.backward()
            optimiser.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(optimiser)
            scaler.update()

    def _val_step(self, frames: Tensor, labels: Tensor) -> None:
        self.loss(frames, labels, self.val_totals)

    def _scaler(self) -> Any:
        """The gradient scaler of 16-bit training, or None."""
        return getattr(self.trainer.precision_plugin, "scaler", None)

    def _state(self) -> list[Tensor]:
        """Everything that a training step changes."""
        of_optimiser = self.trainer.optimizers[0].state.values()
        tensors = [value for state in of_optimiser for value in state.values() if isinstance(value, Tensor)]
        scaler = self._scaler()
        if scaler is not None:
            tensors += [scaler._scale, scaler._growth_tracker]
        return [*self.model.state_dict(keep_vars=True).values(), *tensors, self.train_totals.sums]

    def on_validation_epoch_end(self) -> None:
        """Validation ends before the training epoch does, when all of its steps are done: read both."""
        self.clips = 0
        for prefix, totals in (("train", self.train_totals), ("val", self.val_totals)):
            values = totals.read(self._over_workers)
            self.clips += round(values.pop("clips"))
            self.figures |= {f"{prefix}_{name}": value for name, value in values.items()}
        self.log("val_top1", self.figures["val_top1"])

    def _over_workers(self, sums: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(sums, reduce_op="sum")

    def configure_optimizers(self) -> Any:
        optimiser = optimiser_of(self.model, self.recipe, on_gpu=self.device.type == "cuda")
        if self.recipe.keeps_rate:
            return optimiser
        steps = int(self.trainer.estimated_stepping_batches) // self.recipe.max_epochs
        return {"optimizer": optimiser, "lr_scheduler": schedule_of(optimiser, self.recipe, steps)}
