"""The train loop that TorchTrainer runs: one process of one trial, alone or as a rank of a DDP group.

The same loop serves both. Alone, TorchTrainer runs it in the trial's own process and Tune gets the reports; in a
group, Ray Train gets them and forwards rank 0's to Tune.
"""

import logging
import os
import platform
import resource
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, cast

import pyarrow as pa
import torch
from ray import train, tune
from ray.train.torch import get_device

from rac_ray.data.loading import ResidentClips
from rac_ray.data.shards import DatasetSpec
from rac_ray.data.temporal_shape import DIRECTIONS, Direction
from rac_ray.ledger import Ledger
from rac_ray.provenance import UNKNOWN
from rac_ray.storage import Storage
from rac_ray.training.evaluate import Predictions, predict
from rac_ray.training.fit import Fit, fit
from rac_ray.training.ray_lightning import ray_for_pytorch_lightning
from rac_ray.training.trial_log import TrialLog
from rac_ray.training.watchdog import StallLimits, Watchdog
from rac_ray.trial import Trial

RECORD_SCHEMA = 1
SELECTION_RULE = "highest source-validation top-1, first epoch on ties"
RECORDED_VERSIONS = ("rac-ray", "torch", "pytorch-lightning", "ray", "timesformer-pytorch", "numpy")

LOGGER = logging.getLogger(__name__)

RESIDENT = ResidentClips()
"""Decoded clips of this process; reused actors find them here."""


@dataclass(frozen=True)
class Setting:
    """What all trials of a run share."""

    ledger: Ledger
    driver: str
    """Token of the run's driver."""
    content: Mapping[str, str]
    """Hash over decoded pixels by ``domain/split``, for every part."""
    dataset: DatasetSpec | None = None
    """What the clips were made from; goes into records."""
    workers: int = 1
    """DDP workers per trial."""
    per_worker: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1})
    """What each worker has of the machine."""
    cuda_graphs: bool = False
    """Whether a single worker's steps are recorded on a GPU and replayed."""
    stall: StallLimits = field(default_factory=StallLimits)
    scratch: str = ""
    """Folder for Ray's own files of a run."""
    commit: str = UNKNOWN
    """Of the code that runs."""


@dataclass(frozen=True)
class Job:
    """One attempt at one trial."""

    trial: Trial
    attempt: int
    """1 for the first."""
    setting: Setting
    host: str
    """Where the attempt began .."""
    began: float
    """.. and when, on that host's monotonic clock, which no change of the date moves."""

    @property
    def folder(self) -> Storage:
        return self.setting.ledger.folder(self.trial.trial_id)

    @property
    def direction(self) -> Direction:
        """What the trial reads of the clips that there are."""
        return DIRECTIONS[self.trial.source].within(self.setting.content)


def train_loop(config: dict[str, Any]) -> None:
    """Fit the job's trial, evaluate its best model on every part, and write its record (rank 0 only).

    What is logged meanwhile goes to the trial's log; a process that makes no step any more writes its failure and
    kills itself.
    """
    job: Job = config["job"]
    torch.set_num_threads(max(1, int(job.setting.per_worker["CPU"])))
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    group = group_options(job.setting.workers) if job.setting.workers > 1 else {"report": tune.report}

    def stalled(sentence: str, stacks: str) -> None:
        failure = {"class": "stalled", "reason": sentence, "traceback": stacks, "host": platform.node()}
        job.setting.ledger.fail(job.trial.trial_id, job.attempt, failure)

    with (
        TrialLog(job.folder) if group.get("rank", 0) == 0 else nullcontext() as log,
        Watchdog(job.setting.stall, stalled) as watchdog,
    ):
        LOGGER.info("attempt %d of %s on %s, process %d", job.attempt, job.trial.name, platform.node(), os.getpid())
        try:
            _run(job, group, log, watchdog)
        except BaseException:
            LOGGER.exception("attempt %d failed", job.attempt)
            raise


def _run(job: Job, group: dict[str, Any], log: TrialLog | None, watchdog: Watchdog) -> None:
    shard = train.get_dataset_shard("clips")
    assert shard is not None
    direction = job.direction
    clips = RESIDENT.get({part: job.setting.content[part] for part in direction.parts}, shard)
    val_part = next(part for part, role in direction.evaluations.items() if role == "source_val")
    device = _device()
    ready_at = time.monotonic()
    report = group.pop("report")

    def tell(row: dict[str, Any]) -> None:
        LOGGER.info("epoch %(epoch)d: train loss %(train_loss).4f, val top-1 %(val_top1).3f, %(seconds).1f s", row)
        if log and row["epoch"] == 0:
            log.write()
        report(row)

    result = fit(
        job.trial,
        clips[direction.train],
        clips[val_part],
        job.folder,
        device=device,
        report=tell,
        beat=watchdog.beat,
        cuda_graphs=job.setting.cuda_graphs,
        **group,
    )
    trained_at = time.monotonic()
    if group.get("rank", 0) > 0:
        return
    evaluated = {part: clips[part] for part in direction.evaluations}
    predictions = predict(result.model, evaluated, device=device, precision=result.precision, beat=watchdog.beat)
    began = job.began if job.host == platform.node() else ready_at
    timing = {
        "to_first_step": ready_at - began + result.seconds_to_first_step,
        "training": trained_at - ready_at - result.seconds_to_first_step,
        "evaluation": time.monotonic() - trained_at,
        "total": time.monotonic() - began,
    }
    _write_record(job, result, predictions, device, timing)


def _device() -> torch.device:
    return cast(torch.device, get_device()) if torch.cuda.is_available() else torch.device("cpu")


def group_options(workers: int) -> dict[str, Any]:
    """What fit needs as one rank of a worker group."""
    ray_lightning = ray_for_pytorch_lightning()
    options = {
        "accelerator": "auto",
        "devices": "auto",
        "strategy": ray_lightning.RayDDPStrategy(),
        "plugins": [ray_lightning.RayLightningEnvironment()],
    }
    return {
        "report": train.report,
        "trainer_options": options,
        "prepare": ray_lightning.prepare_trainer,
        "rank": train.get_context().get_world_rank(),
        "world": workers,
    }


def _peak_bytes(device: torch.device) -> int:
    """Peak memory so far: of the process on the GPU, or resident on a CPU (earlier trials of the process count)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _write_record(
    job: Job, result: Fit, predictions: list[Predictions], device: torch.device, timing: dict[str, float]
) -> None:
    direction = job.direction
    evaluations = [
        {
            "target": each.target,
            "split": each.split,
            "role": direction.evaluations[f"{each.target}/{each.split}"],
            "clips": len(each.clip_ids),
            "correct": each.correct,
            "top1": each.correct / len(each.clip_ids),
        }
        for each in predictions
    ]
    record = {
        "schema": RECORD_SCHEMA,
        **job.trial.as_dict(),
        "selection_rule": SELECTION_RULE,
        "best_epoch": result.best_epoch,
        "best_val_top1": result.best_val_top1,
        "epochs": len(result.epochs),
        "parameters": result.parameters,
        "classes": predictions[0].logits.shape[1],
        "evaluations": evaluations,
        "content": {part: job.setting.content[part] for part in direction.parts},
        "dataset": job.setting.dataset and job.setting.dataset.as_dict(direction.parts),
        "precision_used": result.precision,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "workers": job.setting.workers,
        "per_worker": dict(job.setting.per_worker),
        "cuda_graphs": job.setting.cuda_graphs and job.setting.workers == 1 and device.type == "cuda",
        "attempt": job.attempt,
        "host": platform.node(),
        "python": platform.python_version(),
        "commit": job.setting.commit,
        "versions": {name: version(name) for name in RECORDED_VERSIONS},
        "peak_bytes": _peak_bytes(device),
        "seconds": timing,
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    rows = pa.concat_tables(each.table() for each in predictions)
    job.setting.ledger.finish(job.trial.trial_id, record, result.epochs, rows, result.best_checkpoint())
