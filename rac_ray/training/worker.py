"""The train loop that TorchTrainer runs: one process of one trial, alone or as a rank of a DDP group.

The same loop serves both. Alone, TorchTrainer runs it in the trial's own process and Tune gets the reports; in a
group, Ray Train gets them and forwards rank 0's to Tune.
"""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import pyarrow as pa
import torch
from ray import train, tune
from ray.train.torch import get_device

from rac_ray.data.loading import ResidentClips
from rac_ray.ledger import Ledger
from rac_ray.training.evaluate import Predictions, predict
from rac_ray.training.fit import Fit, fit
from rac_ray.trial import Trial

RECORD_SCHEMA = 1
SELECTION_RULE = "highest source-validation top-1, first epoch on ties"
RECORDED_VERSIONS = ("rac-ray", "torch", "pytorch-lightning", "ray", "timesformer-pytorch", "numpy")

RESIDENT = ResidentClips()
"""Decoded clips of this process; reused actors find them here."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know about its trial."""

    trial: Trial
    ledger: Ledger
    train_part: str
    evaluations: Mapping[str, str]
    """Role (source_val, source_test, target) by ``domain/split``."""
    content: Mapping[str, str]
    """Hash over decoded pixels by ``domain/split``, for every part."""
    workers: int
    started_at: float
    """time.time() when the trial began."""


def train_loop(config: dict[str, Any]) -> None:
    """Fit the job's trial, evaluate its best model on every part, and write its record (rank 0 only)."""
    job: Job = config["job"]
    shard = train.get_dataset_shard("clips")
    assert shard is not None
    clips = RESIDENT.get(job.content, shard)
    val_part = next(part for part, role in job.evaluations.items() if role == "source_val")
    group = _group_options(job.workers) if job.workers > 1 else {"report": tune.report}
    device = _device()
    ready_at = time.time()
    result = fit(
        job.trial,
        clips[job.train_part],
        clips[val_part],
        job.ledger.folder(job.trial.trial_id),
        device=device,
        **group,
    )
    trained_at = time.time()
    if group.get("rank", 0) == 0:
        predictions = [
            predict(result.model, clips[part], *part.split("/"), device=device, precision=result.precision)
            for part in job.evaluations
        ]
        timing = {
            "to_first_step": ready_at - job.started_at + result.seconds_to_first_step,
            "training": trained_at - ready_at - result.seconds_to_first_step,
            "evaluation": time.time() - trained_at,
        }
        _write_record(job, result, predictions, device, timing)


def _device() -> torch.device:
    return cast(torch.device, get_device()) if torch.cuda.is_available() else torch.device("cpu")


def _group_options(workers: int) -> dict[str, Any]:
    """What fit needs as one rank of a worker group."""
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment, prepare_trainer

    options = {
        "accelerator": "auto",
        "devices": "auto",
        "strategy": RayDDPStrategy(),
        "plugins": [RayLightningEnvironment()],
    }
    return {
        "report": train.report,
        "trainer_options": options,
        "prepare": prepare_trainer,
        "rank": train.get_context().get_world_rank(),
        "world": workers,
    }


def _write_record(
    job: Job, result: Fit, predictions: list[Predictions], device: torch.device, timing: dict[str, float]
) -> None:
    evaluations = [
        {
            "target": each.target,
            "split": each.split,
            "role": job.evaluations[f"{each.target}/{each.split}"],
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
        "evaluations": evaluations,
        "content": dict(job.content),
        "precision_used": result.precision,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "workers": job.workers,
        "host": platform.node(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in RECORDED_VERSIONS},
        "seconds": {**timing, "total": time.time() - job.started_at},
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    rows = pa.concat_tables(each.table() for each in predictions)
    job.ledger.finish(job.trial.trial_id, record, result.epochs, rows, result.best_checkpoint())
