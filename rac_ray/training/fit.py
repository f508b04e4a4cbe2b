"""Fit a model with Lightning: early stopping, the best weights, and a checkpoint from which it goes on exactly.

Knows Lightning, not Ray: the worker passes what a distributed run needs as trainer options.
"""

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.plugins.environments import LightningEnvironment  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor

from rac_ray.data.feed import Batches
from rac_ray.identity import Recipe, seed_for
from rac_ray.models import count_parameters
from rac_ray.store.files import LAST_CHECKPOINT
from rac_ray.store.storage import Storage
from rac_ray.training.classifier import Classifier, to_unit_range
from rac_ray.training.progress import TrialProgress
from rac_ray.training.selection import Keeper

# A trial is one process of its own, or of a group that Ray starts: what Lightning says of `srun` is no use to anybody.
warnings.filterwarnings("ignore", "The `srun` command is available on your system but is not used")


class DamagedCheckpoint(RuntimeError):
    """A checkpoint could not be read; it has been dropped, the next attempt starts anew."""


@dataclass
class Fit:
    """What training leaves behind."""

    model: torch.nn.Module
    """The model with the best weights loaded."""
    epochs: list[dict[str, Any]]
    """One row per epoch: epoch, train_loss, train_top1, val_loss, val_top1, best_val_top1, seconds, clips (trained
    and validated in them), loader_wait_share, gpu_memory_bytes (peak so far)."""
    best_epoch: int
    best_val_top1: float
    parameters: int
    kept: dict[int, float]
    """Validation top-1 of the epochs whose checkpoints levels may choose from."""
    seconds_to_first_step: float
    """Time from the call of ``fit`` to the first training step."""
    seconds_before: float = 0.0
    """What the epochs took, whole and begun, that an earlier call of ``fit`` had trained."""


def fit(
    build: Callable[[], torch.nn.Module],
    recipe: Recipe,
    seed: int,
    train: Batches,
    val: Batches,
    folder: Storage,
    *,
    device: torch.device,
    scaled: Callable[[Tensor], Tensor] = to_unit_range,
    weight: float = 1.0,
    keeper: Keeper | None = None,
    report: Callable[[dict[str, Any]], None] = lambda _row: None,
    resumed: Callable[[Sequence[dict[str, Any]]], None] = lambda _rows: None,
    beat: Callable[[], None] = lambda: None,
    trainer_options: Mapping[str, Any] | None = None,
    prepare: Callable[[pl.Trainer], pl.Trainer] = lambda trainer: trainer,
    cuda_graphs: bool = False,
) -> Fit:
    """Train what ``build`` builds by ``recipe``, from ``folder/last.ckpt`` if there is one, and return its best model.

    ``weight`` is this worker's share of a step's clips over an even share. ``keeper`` keeps checkpoints at levels of
    validation top-1 in ``folder``. ``resumed`` gets the rows of the epochs in ``last.ckpt``, if there is one, then
    ``report`` each new epoch's row; ``beat`` is called after each step. ``cuda_graphs`` replays the steps of a single
    worker on a GPU. Raises NotFinite when a loss is NaN or infinite, and DamagedCheckpoint. On a CPU a training
    stopped anywhere and fitted again ends at the same bits; the number of workers changes no more than how sums are
    rounded.
    """
    started = time.monotonic()
    torch.manual_seed(seed_for("weights", seed))
    classifier = Classifier(build(), recipe, cuda_graphs=cuda_graphs, scaled=scaled, share=weight)
    progress = TrialProgress(folder, train, report, beat, keeper, recipe.stop_at)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / LAST_CHECKPOINT
        checkpoint = fetched(folder, path, progress)
        if checkpoint:
            resumed(progress.epochs)
        if not progress.finished:
            options = trainer_options or {"accelerator": device.type, "devices": 1}
            callbacks = [early_stopping(recipe), progress]
            trainer = trainer_of(recipe, callbacks, scratch, gradient_clip_val=recipe.clip_norm, **options)
            goes_on = path if checkpoint else None
            prepare(trainer).fit(classifier, train, val, ckpt_path=goes_on, weights_only=True)
    return fit_of(progress, classifier.model, started)


def early_stopping(recipe: Recipe) -> EarlyStopping:
    """Lightning's, after the recipe's patience."""
    return EarlyStopping("val_top1", mode="max", patience=recipe.patience)


def trainer_of(recipe: Recipe, callbacks: list[pl.Callback], scratch: str, **options: Any) -> pl.Trainer:
    """A trainer that leaves nothing in any place but the callbacks', and asks no Slurm how many processes it has."""
    options = {"plugins": [LightningEnvironment()], **options}
    return pl.Trainer(
        max_epochs=recipe.max_epochs,
        callbacks=callbacks,
        precision=cast(Any, recipe.precision),
        num_sanity_val_steps=0,
        default_root_dir=scratch,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )


def fit_of(progress: TrialProgress, model: torch.nn.Module, started: float) -> Fit:
    """What a training came to that began at ``started``; ``model`` gets the best weights."""
    model.load_state_dict(progress.best_weights)
    best = max(progress.epochs, key=lambda row: row["val_top1"])
    return Fit(
        model=model,
        epochs=progress.epochs,
        best_epoch=best["epoch"],
        best_val_top1=best["val_top1"],
        parameters=count_parameters(model),
        kept=progress.keeper.epochs if progress.keeper else {},
        seconds_to_first_step=(progress.first_step_at or time.monotonic()) - started,
        seconds_before=progress.seconds_before,
    )


def fetched(folder: Storage, path: Path, progress: TrialProgress) -> dict[str, Any] | None:
    """Bring ``last.ckpt``, if there is one, to a local path, and return it; loads ``progress`` from it, so that a
    finished fit is not run again.

    Only tensors and plain values are read: a file that would run code when it is unpickled counts as damaged.
    """
    if not folder.exists(LAST_CHECKPOINT):
        return None
    path.write_bytes(folder.read_bytes(LAST_CHECKPOINT))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        progress.load_state_dict(content["callbacks"][progress.state_key])
    except Exception as error:  # noqa: BLE001 - unpickling damaged bytes can raise anything
        folder.delete(LAST_CHECKPOINT)
        reason = " ".join(str(error).split())[:200]
        raise DamagedCheckpoint(f"{LAST_CHECKPOINT} cannot be read and was dropped: {reason}") from None
    return content
