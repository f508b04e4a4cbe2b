"""Train a model on Diving48's clips in a worker group and evaluate what its levels kept: what TorchTrainer runs.

The clips of a step, their order and their flips are the same for any number of workers; a group that lost a worker goes
on from the last epoch's checkpoint. Each rank evaluates its share of the clips.
"""

import logging
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch
from ray import train
from ray.train.torch import TorchTrainer, get_device
from torch import nn

from rac_ray.data.streaming import Feed, Place, Render, StreamedBatches, normalised, official_places
from rac_ray.errors import BadInput
from rac_ray.ledger import parquet_bytes
from rac_ray.storage import Storage
from rac_ray.training.classifier import Classifier
from rac_ray.training.evaluate import Predictions, predict_batches
from rac_ray.training.fit import Fit, fit_batches
from rac_ray.training.levels import OUTCOME, Levels, predictions_file, weights_of
from rac_ray.training.trial_log import TrialLog
from rac_ray.training.watchdog import StallLimits, Watchdog
from rac_ray.training.worker import group_options
from rac_ray.trial import Recipe, seed_for

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dives:
    """One training on Diving48 and what it is evaluated on."""

    build: Callable[[], nn.Module]
    data: Storage
    """Shards of clips."""
    folder: Storage
    """For checkpoints and predictions."""
    seed: int
    levels: tuple[float, ...]
    """Validation top-1 at which checkpoints are evaluated."""
    domains: Mapping[str, Render | None] = field(default_factory=lambda: {"original": None})
    """Test domains, with what makes their frames."""
    recipe: Recipe = field(default_factory=Recipe)
    validation: str = "authors"
    """How validation clips are cut from the official train list: ``authors`` or ``grouped``."""
    flip_validation: bool = False
    """Whether validation clips are mirrored at random, too, as the authors' were (facts.md 3.1)."""
    stop_when_passed: bool = False
    """Whether training ends when the highest level is reached."""


@dataclass(frozen=True)
class Group:
    """The workers of a training."""

    workers: int | tuple[int, int] = 8
    """A number, or the fewest and the most of a group that shrinks when a worker is lost and grows again."""
    per_worker: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1.0})
    gpu: bool = False
    max_failures: int = 3
    """Lost workers after which the training goes on from its checkpoint."""
    stall: StallLimits = field(default_factory=StallLimits)
    """When a worker counts as stalled; it ends then, as a lost one."""
    scratch: str | None = None
    """For Ray Train's own files."""


def train_dives(
    dives: Dives,
    group: Group,
    name: str | None = None,
    callbacks: Sequence[Any] = (),
    stalled: Callable[[str, str], None] | None = None,
) -> None:
    """Train and evaluate in a worker group of the running Ray; ``folder`` has the results, and the log of rank 0.

    ``callbacks`` are Ray Train's and get each epoch's row. ``stalled`` is told why a worker makes no step, and where
    it stands. Raises Ray's TrainingFailedError when more workers are lost than ``max_failures``, or the loop raises.
    """
    TorchTrainer(
        partial(_loop, dives, group, stalled),
        scaling_config=train.ScalingConfig(
            num_workers=cast(Any, group.workers), use_gpu=group.gpu, resources_per_worker=dict(group.per_worker)
        ),
        run_config=train.RunConfig(
            name=name,
            storage_path=group.scratch,
            callbacks=list(callbacks),
            failure_config=train.FailureConfig(max_failures=group.max_failures, controller_failure_limit=2),
        ),
    ).fit()


def _loop(dives: Dives, group: Group, stalled: Callable[[str, str], None] | None = None, _config: Any = None) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    with (
        TrialLog(dives.folder) if rank == 0 else nullcontext() as log,
        Watchdog(group.stall, stalled or _said) as watchdog,
    ):
        LOGGER.info("rank %d of %d on %s, process %d", rank, world, platform.node(), os.getpid())
        try:
            _run(dives, isinstance(group.workers, tuple), rank, world, log, watchdog)
        except BaseException:
            LOGGER.exception("rank %d failed", rank)
            raise


def _said(sentence: str, stacks: str) -> None:
    LOGGER.error("%s\n%s", sentence, stacks)


def _run(dives: Dives, elastic: bool, rank: int, world: int, log: TrialLog | None, watchdog: Watchdog) -> None:
    device = cast(torch.device, get_device())
    options = group_options(world)
    report = options.pop("report")
    for name in ("rank", "world"):
        del options[name]

    def tell(row: dict[str, Any]) -> None:
        LOGGER.info("epoch %(epoch)d: train loss %(train_loss).4f, val top-1 %(val_top1).3f, %(seconds).1f s", row)
        if log:
            log.write()
        report(row)

    result, levels = fit_dives(
        dives, rank=rank, world=world, device=device, uneven=elastic, report=tell, beat=watchdog.beat, **options
    )
    for epoch in sorted(levels.epochs):
        if dives.folder.exists(predictions_file(epoch)):
            continue
        result.model.load_state_dict(weights_of(dives.folder, epoch))
        found = evaluate_dives(dives, result, rank=rank, world=world, device=device, beat=watchdog.beat)
        if rank == 0:
            table = pa.concat_tables(each.table() for each in found)
            dives.folder.write_bytes(predictions_file(epoch), parquet_bytes(table))
        LOGGER.info("epoch %d evaluated on %d clips", epoch, sum(len(each.clip_ids) for each in found))
    if rank == 0:
        dives.folder.write_json(OUTCOME, _outcome(result, levels, device))


def _outcome(result: Fit, levels: Levels, device: torch.device) -> dict[str, Any]:
    """What a training came to."""
    return {
        "levels": [{"level": level, "epoch": e, "val_top1": top1} for level, (e, top1) in sorted(levels.kept.items())],
        "best_epoch": result.best_epoch,
        "best_val_top1": result.best_val_top1,
        "parameters": result.parameters,
        "precision_used": result.precision,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "seconds_training": sum(row["seconds"] for row in result.epochs),
        "epochs": result.epochs,
    }


def fit_dives(
    dives: Dives, *, rank: int, world: int, device: torch.device, uneven: bool = False, **options: Any
) -> tuple[Fit, Levels]:
    """Train one rank's share, from ``folder``'s checkpoint if there is one; ``options`` are ``fit_batches``'."""
    torch.manual_seed(seed_for("weights", dives.seed))
    places = {"rank": rank, "world": world, "uneven": uneven}
    seed, batch_size = seed_for("order", dives.seed), dives.recipe.batch_size
    feeds = {
        "train": Feed(seed, batch_size, **places),
        "val": Feed(seed, batch_size, shuffle=False, flip=dives.flip_validation, **places),
    }
    share = feeds["train"].share * world / batch_size
    classifier = Classifier(dives.build(), dives.recipe, scaled=normalised, share=share)
    batches = {
        part: StreamedBatches(dives.data, official_places(dives.data, part, dives.validation), feed, device=device)
        for part, feed in feeds.items()
    }
    if len(batches["val"].clips) < world:
        raise BadInput(f"{len(batches['val'].clips)} validation clips for {world} workers; valid: one each, or more")
    levels = Levels(dives.levels)
    result = fit_batches(
        classifier,
        batches["train"],
        batches["val"],
        dives.folder,
        device=device,
        levels=levels,
        stop_when_passed=dives.stop_when_passed,
        **options,
    )
    return result, levels


def evaluate_dives(
    dives: Dives,
    result: Fit,
    *,
    rank: int,
    world: int,
    device: torch.device,
    beat: Callable[[], None] = lambda: None,
) -> list[Predictions]:
    """What the model says of validation clips and of the test clips in every domain; the same on each rank."""
    parts = {("original", "val"): None} | {(domain, "test"): frames for domain, frames in dives.domains.items()}
    found = []
    for (domain, split), frames in parts.items():
        clips = official_places(dives.data, split, dives.validation)
        feed = Feed(dives.seed, dives.recipe.batch_size, False, flip=False, rank=rank, world=world, uneven=True)
        batches = StreamedBatches(dives.data, clips, feed, device=device, render=frames).epoch(0)
        logits = predict_batches(
            result.model, batches, device=device, precision=result.precision, scaled=normalised, beat=beat
        )
        found.append(_predictions(domain, split, clips, _gathered(logits, world)))
    return found


def _gathered(logits: np.ndarray, world: int) -> np.ndarray:
    """The logits of all clips (N, num_classes) from those that each rank has: every world-th."""
    if world == 1:
        return logits
    shares: list[Any] = [None] * world
    torch.distributed.all_gather_object(shares, logits)
    rows = [row for rows in zip_longest(*shares) for row in rows if row is not None]
    return np.stack(rows)


def _predictions(domain: str, split: str, clips: list[Place], logits: np.ndarray) -> Predictions:
    labels = np.array([clip.label for clip in clips], np.int64)
    return Predictions(domain, split, [clip.clip_id for clip in clips], labels, logits)
