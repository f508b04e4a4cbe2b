"""Diving48's experiments on Ray: trainings one after another, each on all workers, as the study's took eight GPUs.

A training that was stopped goes on from its last epoch. What it leaves behind is written to the ledger as a trial per
experiment; a model that never reached an experiment's level has failed it.
"""

import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.data.diving_domains import domain_frames
from rac_ray.ledger import DRIVER, RECORD
from rac_ray.lock import holding
from rac_ray.models import build_model
from rac_ray.models.diving48 import CHANNELS, FRAME_SIZE, NUM_CLASSES, NUM_FRAMES
from rac_ray.provenance import commit
from rac_ray.sweep.dives_plan import SOURCE, DivingPlan, Training
from rac_ray.sweep.failures import failure_of
from rac_ray.sweep.monitor import duration, say_line
from rac_ray.sweep.session import Resources, ray_session
from rac_ray.training.dives import Dives, Group, predictions_file, train_dives
from rac_ray.training.levels import level_file
from rac_ray.training.worker import RECORD_SCHEMA, RECORDED_VERSIONS
from rac_ray.trial import Trial

REACH = 0.01
"""A model that stays further below a level than this has not reached it, and is not compared there."""
ROLES = {"val": "source_val", "test": "source_test"}
"""Of the source's own splits; every other domain is a target."""


def run_diving(
    plan: DivingPlan,
    group: Group,
    resources: Resources,
    say: Callable[[str], None] = say_line,
    *,
    retry_failed: bool = False,
) -> None:
    """Train what is missing; afterwards every trial of the plan is done or failed, unless it was interrupted.

    Raises Busy when another driver lives on the sweep.
    """
    with (
        ray_session(resources, "diving48"),
        holding(plan.ledger.storage, DRIVER, resources.take_over) as lock,
    ):
        plan.ledger.register(plan.trials)
        for number, training in enumerate(plan.trainings, 1):
            states = plan.ledger.states(training.trials)
            wanted = ("pending", "failed") if retry_failed else ("pending",)
            missing = [trial for trial in training.trials if states[trial.trial_id] in wanted]
            if not missing:
                continue
            experiments = ", ".join(trial.experiment for trial in missing)
            which = f"training {number}/{len(plan.trainings)}: {training.size} seed={training.seed}"
            say(f"{which} for experiments {experiments}")
            began = time.monotonic()
            done = _run(plan, training, missing, group, lock.holder.token)
            say(f"{which}: {done} of {len(missing)} trials done in {duration(time.monotonic() - began)}")


def _run(plan: DivingPlan, training: Training, missing: list[Trial], group: Group, driver: str) -> int:
    """Train and write a record or a failure for each trial; returns how many are done."""
    ledger, began, folder = plan.ledger, time.monotonic(), plan.folder(training)
    attempts = {
        trial.trial_id: entry.attempts + 1 for trial, entry in zip(missing, _entries(plan, missing), strict=True)
    }
    for trial_id, attempt in attempts.items():
        ledger.begin(trial_id, attempt, driver, host=platform.node())
    try:
        if not folder.exists(RECORD):
            train_dives(_dives(plan, training), group)
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a failure that is shown
        for trial_id, attempt in attempts.items():
            ledger.fail(trial_id, attempt, {**failure_of(error), "host": platform.node()})
            ledger.decide(trial_id, attempt, retry=False)
        return 0
    found, done = folder.read_json(RECORD), 0
    for trial in missing:
        kept = next(each for each in found["levels"] if each["level"] == training.levels[trial.experiment])
        if max(row["val_top1"] for row in found["epochs"]) < kept["level"] - REACH:
            reason = f"never reached a validation top-1 of {kept['level']:g}: {found['best_val_top1']:.4f} at best"
            ledger.fail(trial.trial_id, attempts[trial.trial_id], {"class": "data", "reason": reason, "traceback": ""})
            ledger.decide(trial.trial_id, attempts[trial.trial_id], retry=False)
            continue
        predictions = pq.read_table(pa.BufferReader(folder.read_bytes(predictions_file(kept["epoch"]))))
        record = _record(trial, found, kept, predictions, time.monotonic() - began, group)
        record["attempt"] = attempts[trial.trial_id]
        weights = folder.read_bytes(level_file(kept["epoch"]))
        ledger.finish(trial.trial_id, record, found["epochs"], predictions, weights)
        done += 1
    for name in folder.names():
        if name != RECORD:
            folder.delete(name)
    folder.delete(RECORD)
    return done


def _entries(plan: DivingPlan, trials: list[Trial]) -> list[Any]:
    entries = plan.ledger.scan([trial.trial_id for trial in trials])
    return [entries[trial.trial_id] for trial in trials]


def _dives(plan: DivingPlan, training: Training) -> Dives:
    grid, size = plan.grid, plan.grid.sizes[training.size]
    shape = {"num_frames": NUM_FRAMES, "frame_size": FRAME_SIZE, "channels": CHANNELS, "num_classes": NUM_CLASSES}
    frames = {
        domain: domain_frames(domain, masks=plan.masks, published=plan.published, codec=grid.codec)
        for domain in grid.domains
    }
    return Dives(
        partial(build_model, size.architecture, size.hidden_units, **shape, **size.options),
        plan.data,
        plan.folder(training),
        training.seed,
        tuple(sorted(set(training.levels.values()))),
        frames,
        grid.recipe,
        grid.validation,
        grid.flip_validation,
        grid.stop_when_passed,
    )


def _record(
    trial: Trial,
    found: Mapping[str, Any],
    kept: Mapping[str, Any],
    predictions: pa.Table,
    seconds: float,
    group: Group,
) -> dict[str, Any]:
    """A trial's record, as Temporal Shape's are; its checkpoint is the one of its level."""
    evaluations = _evaluations(predictions)
    return {
        "schema": RECORD_SCHEMA,
        **trial.as_dict(),
        "selection_rule": "source-validation top-1 nearest to the experiment's level, first epoch on ties",
        "level": kept["level"],
        "best_epoch": kept["epoch"],
        "best_val_top1": next(each["top1"] for each in evaluations if each["role"] == "source_val"),
        "epochs": len(found["epochs"]),
        "parameters": found["parameters"],
        "classes": NUM_CLASSES,
        "evaluations": evaluations,
        "content": {},
        "precision_used": found["precision_used"],
        "device": found["device"],
        "workers": group.workers if isinstance(group.workers, int) else group.workers[1],
        "host": platform.node(),
        "python": platform.python_version(),
        "commit": commit(),
        "versions": {name: version(name) for name in RECORDED_VERSIONS},
        "seconds": {"training": found["seconds_training"], "total": seconds},
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _evaluations(predictions: pa.Table) -> list[dict[str, Any]]:
    """Counts of each evaluation set, from what was said about each clip."""
    said = predictions.select(["target", "split", "label", "predicted"]).to_pandas()
    said["right"] = said["label"] == said["predicted"]
    rows = said.groupby(["target", "split"], sort=False)["right"].agg(["sum", "count"]).reset_index()
    return [
        {
            "target": row["target"],
            "split": row["split"],
            "role": ROLES[row["split"]] if row["target"] == SOURCE else "target",
            "clips": int(row["count"]),
            "correct": int(row["sum"]),
            "top1": int(row["sum"]) / int(row["count"]),
        }
        for row in rows.to_dict("records")
    ]
