"""Fit a model with Lightning: early stopping, the best weights, and a checkpoint from which it goes on exactly.

Knows Lightning, not Ray: the worker passes what a distributed run needs as trainer options.
"""

import io
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

from rac_ray.data.loading import ResidentBatches
from rac_ray.data.shards import Clips
from rac_ray.ledger import LAST_CHECKPOINT
from rac_ray.models import build_model, count_parameters
from rac_ray.storage import Storage
from rac_ray.training.classifier import Classifier
from rac_ray.training.levels import Levels
from rac_ray.training.progress import Batches, TrialProgress
from rac_ray.trial import Recipe, Trial, seed_for


class DamagedCheckpoint(RuntimeError):
    """``last.ckpt`` could not be read; it has been dropped, the next attempt starts anew."""


@dataclass
class Fit:
    """What training leaves behind."""

    model: torch.nn.Module
    """With the best weights loaded."""
    epochs: list[dict[str, Any]]
    """One row per epoch: epoch, train_loss, train_top1, val_loss, val_top1, best_val_top1, seconds, clips (trained
    and validated in them), loader_wait_share, gpu_memory_bytes (peak so far)."""
    best_epoch: int
    best_val_top1: float
    parameters: int
    precision: str
    seconds_to_first_step: float
    """From the call of ``fit`` to the first training step."""

    def best_checkpoint(self) -> bytes:
        """The best weights alone; ``torch.load(..., weights_only=True)`` reads them."""
        sink = io.BytesIO()
        torch.save(self.model.state_dict(), sink)
        return sink.getvalue()


def resolved_precision(recipe: Recipe, device: torch.device) -> str:
    """The precision that ``auto`` means on a device: 16-bit mixed on a GPU, 32-bit on a CPU."""
    if recipe.precision != "auto":
        return recipe.precision
    return "16-mixed" if device.type == "cuda" else "32"


def fit(
    trial: Trial,
    train: Clips,
    val: Clips,
    folder: Storage,
    *,
    device: torch.device,
    report: Callable[[dict[str, Any]], None] = lambda _row: None,
    beat: Callable[[], None] = lambda: None,
    trainer_options: Mapping[str, Any] | None = None,
    prepare: Callable[[pl.Trainer], pl.Trainer] = lambda trainer: trainer,
    rank: int = 0,
    world: int = 1,
    cuda_graphs: bool = False,
) -> Fit:
    """Train ``trial``, from ``folder/last.ckpt`` if there is one, and return its best model.

    ``report`` gets each epoch's row, ``beat`` is called after each step. ``cuda_graphs`` replays the steps of a single
    worker on a GPU. Raises NotFinite when a loss is NaN or infinite, DamagedCheckpoint, and BadInput when the training
    clips do not fill a batch or a worker would have no clip. On a CPU a trial stopped after any epoch and fitted again
    ends at the same bits; the number of workers changes no more than how sums are rounded.
    """
    started = time.monotonic()
    recipe = trial.recipe
    torch.manual_seed(seed_for("weights", trial.seed))
    places = {"device": device, "rank": rank, "world": world}
    train_batches = ResidentBatches(train, recipe.batch_size, order_seed=seed_for("order", trial.seed), **places)
    val_batches = ResidentBatches(val, recipe.batch_size, **places)
    classifier = Classifier(
        build_model(trial.model, trial.hidden_units),
        recipe,
        cuda_graphs=cuda_graphs and world == 1,
        share=train_batches.share * world / recipe.batch_size,
    )
    return fit_batches(
        classifier,
        train_batches,
        val_batches,
        folder,
        device=device,
        report=report,
        beat=beat,
        trainer_options=trainer_options,
        prepare=prepare,
        started=started,
    )


def fit_batches(
    classifier: Classifier,
    train_batches: Batches,
    val_batches: Batches,
    folder: Storage,
    *,
    device: torch.device,
    report: Callable[[dict[str, Any]], None] = lambda _row: None,
    beat: Callable[[], None] = lambda: None,
    trainer_options: Mapping[str, Any] | None = None,
    prepare: Callable[[pl.Trainer], pl.Trainer] = lambda trainer: trainer,
    started: float | None = None,
    levels: Levels | None = None,
    stop_when_passed: bool = False,
) -> Fit:
    """Train a classifier by its recipe on any batches, as ``fit`` does, whose options these are.

    ``levels`` keeps checkpoints at levels of validation top-1 in ``folder``; with ``stop_when_passed`` training ends
    when the highest is reached, too. ``started`` is when the preparations began.
    """
    started, recipe = started or time.monotonic(), classifier.recipe
    progress = TrialProgress(folder, train_batches, report, beat, levels, stop_when_passed)
    precision = resolved_precision(recipe, device)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = _fetch_checkpoint(folder, Path(scratch), progress)
        if not progress.finished:
            trainer = pl.Trainer(
                max_epochs=recipe.max_epochs,
                callbacks=[EarlyStopping("val_top1", mode="max", patience=recipe.patience), progress],
                precision=cast(Any, precision),
                num_sanity_val_steps=0,
                default_root_dir=scratch,
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                **(trainer_options or {"accelerator": device.type, "devices": 1}),
            )
            prepare(trainer).fit(classifier, train_batches, val_batches, ckpt_path=checkpoint, weights_only=True)
    classifier.model.load_state_dict(progress.best_weights)
    best = max(progress.epochs, key=lambda row: row["val_top1"])
    return Fit(
        model=classifier.model,
        epochs=progress.epochs,
        best_epoch=best["epoch"],
        best_val_top1=best["val_top1"],
        parameters=count_parameters(classifier.model),
        precision=precision,
        seconds_to_first_step=(progress.first_step_at or time.monotonic()) - started,
    )


def _fetch_checkpoint(folder: Storage, scratch: Path, progress: TrialProgress) -> str | None:
    """Bring ``last.ckpt`` to a local path; loads ``progress`` from it so that a finished fit is not run again.

    Only tensors and plain values are read: a file that would run code when it is unpickled counts as damaged.
    """
    if not folder.exists(LAST_CHECKPOINT):
        return None
    path = scratch / LAST_CHECKPOINT
    path.write_bytes(folder.read_bytes(LAST_CHECKPOINT))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        progress.load_state_dict(content["callbacks"][progress.state_key])
    except Exception as error:  # noqa: BLE001 - unpickling damaged bytes can raise anything
        folder.delete(LAST_CHECKPOINT)
        reason = " ".join(str(error).split())[:200]
        raise DamagedCheckpoint(f"{LAST_CHECKPOINT} cannot be read and was dropped: {reason}") from None
    return str(path)
