"""Diving48's experiments on Ray: an attempt at a training is a Tune trial, with a worker group of all GPUs it is given.

A training that was stopped goes on from its last epoch. What its levels kept becomes a trial per experiment; a model
that never reached an experiment's level has failed it.
"""

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.accuracy import among_the_best
from rac_ray.data.diving_domains import domain_frames
from rac_ray.data.streaming import READING_CPUS
from rac_ray.ledger import DRIVER, RECORD, State
from rac_ray.lock import Lock, holding
from rac_ray.models import build_model
from rac_ray.models.diving48 import CHANNELS, FRAME_SIZE, NUM_CLASSES, NUM_FRAMES
from rac_ray.provenance import commit
from rac_ray.storage import Storage
from rac_ray.sweep.attempt import attempted
from rac_ray.sweep.dives_plan import SOURCE, DivingPlan, Training, TrainingLedger
from rac_ray.sweep.dives_price import bytes_of
from rac_ray.sweep.follow import Follower
from rac_ray.sweep.metrics import SweepMetrics
from rac_ray.sweep.monitor import Monitor, say_line
from rac_ray.sweep.packing import Packing
from rac_ray.sweep.queue import Queue
from rac_ray.sweep.runner import machine_of, no_room
from rac_ray.sweep.session import Resources, ray_session
from rac_ray.sweep.tuning import through_tune
from rac_ray.training.dives import Dives, Group, train_dives
from rac_ray.training.levels import OUTCOME, level_file, predictions_file
from rac_ray.training.worker import RECORD_SCHEMA, RECORDED_VERSIONS
from rac_ray.trial import Trial

REACH = 0.01
"""A model that stays further below a level than this has not reached it, and is not compared there."""
ROLES = {"val": "source_val", "test": "source_test"}
"""Of the source's own splits; every other domain is a target."""
WHILE_TRAINING = 2
"""A training's own checkpoints, besides what it leaves to its trials, in multiples of that."""
ENDED: tuple[State, ...] = ("done", "failed")


@dataclass(frozen=True)
class DivingSetting:
    """What all trainings of a run share."""

    plan: DivingPlan
    ledger: TrainingLedger
    group: Group
    driver: str
    """Token of the run's driver."""


def run_diving(plan: DivingPlan, group: Group, resources: Resources, say: Callable[[str], None] = say_line) -> str:
    """Run the trainings that are missing; returns why it stopped early, or nothing.

    Afterwards every trial that was asked for is done or failed, unless the run stopped. Raises Busy when another driver
    lives on the sweep.
    """
    with (
        ray_session(resources, plan.title),
        holding(plan.ledger.storage, DRIVER, resources.take_over) as lock,
    ):
        plan.ledger.register(plan.trials)
        ledger, queue = trainings_to_run(plan, group, resources, lock)
        if not queue.trials:
            return ""
        say(f"{len(queue.trials)} trainings for {sum(map(len, ledger.served.values()))} trials")
        live = sys.stderr if say is say_line and sys.stderr.isatty() else None
        monitor = Monitor(queue, say, verbose=resources.verbose, what="trainings", live=live)
        metrics = SweepMetrics(plan.name)
        for training in plan.trainings:
            metrics.state(training.trial, queue.states[training.trial.trial_id])
        return _tune(
            DivingSetting(plan, ledger, group, lock.holder.token), Follower(queue, ledger, monitor, metrics), lock
        )


def _tune(setting: DivingSetting, follower: Follower, lock: Lock) -> str:
    from ray import tune

    with tempfile.TemporaryDirectory(prefix="rac_ray-", ignore_cleanup_errors=True) as scratch:
        setting = replace(setting, group=replace(setting.group, scratch=scratch))
        return through_tune(
            setting.plan.name, tune.with_parameters(run_training, setting=setting), follower, lock, scratch
        )


def trainings_to_run(plan: DivingPlan, group: Group, resources: Resources, lock: Lock) -> tuple[TrainingLedger, Queue]:
    """The trainings whose trials have not all ended, in the plan's order; deletes what finished ones have left over."""
    entries = plan.ledger.scan([trial.trial_id for training in plan.trainings for trial in training.trials])
    ended = ("done",) if plan.retry_failed else ENDED
    served = {
        training.trial.trial_id: tuple(
            trial.trial_id
            for trial in plan.asked(training)
            if entries[trial.trial_id].state(lock.holder.token) not in ended
        )
        for training in plan.trainings
    }
    ledger = TrainingLedger(plan.ledger.storage, served=served)
    missing = [training for training in plan.trainings if served[training.trial.trial_id]]
    known = ledger.scan(list(served))
    for training in plan.trainings:
        trial_id = training.trial.trial_id
        if known[trial_id].record is not None:
            tidy(ledger, trial_id)
            if training in missing:
                ledger.folder(trial_id).delete(RECORD)
    ledger.register(training.trial for training in missing)
    attempts = {
        training.trial.trial_id: max(
            known[training.trial.trial_id].attempts, *(entries[trial.trial_id].attempts for trial in training.trials)
        )
        for training in missing
    }
    packing = packing_of(group, resources)
    states: dict[str, State] = {
        trial_id: "pending" if wanted else "done" if known[trial_id].record else "failed"
        for trial_id, wanted in served.items()
    }
    trials = [training.trial for training in missing]
    at_once = max([1, *(packing.at_once((trial.model, trial.hidden_units)) for trial in trials)])
    needed = at_once * WHILE_TRAINING * max([0, *(bytes_of(plan, training) for training in missing)])

    def guard() -> str:
        return lock.stop_reason or no_room(plan.ledger.storage, needed)

    return ledger, Queue(states, trials, packing, resources.budgets, attempts, resources.pause, at_once, guard)


def packing_of(group: Group, resources: Resources) -> Packing:
    """A training is a worker group of its own and a core that reads clips; as many run at once as there is room for."""
    machine = machine_of(resources)
    workers = group.workers if isinstance(group.workers, int) else group.workers[1]
    return Packing(
        machine if group.gpu else replace(machine, gpus=0),
        workers,
        int(group.per_worker["CPU"]),
        grouped=True,
        cpus_besides=READING_CPUS,
    )


def run_training(config: dict[str, Any], setting: DivingSetting) -> None:
    """Tune's function trainable: one attempt at a training, and a record or a failure for each of its trials."""
    from ray.tune.integration.ray_train import TuneReportCallback

    trial_id, attempt, began = config["trial"]["trial_id"], config["attempt"], time.monotonic()
    training = next(each for each in setting.plan.trainings if each.trial.trial_id == trial_id)
    folder, ledger = setting.ledger.folder(trial_id), setting.ledger

    def train() -> None:
        if not folder.exists(OUTCOME):
            stalled = None if setting.group.max_failures else partial(_stalled, ledger, trial_id, attempt)
            name = f"{trial_id}-{attempt}"
            train_dives(_dives(setting.plan, training, folder), setting.group, name, [TuneReportCallback()], stalled)
        outcome = folder.read_json(OUTCOME)
        publish(setting, training, attempt, outcome, time.monotonic() - began)
        tidy(ledger, trial_id)

    attempted(ledger, trial_id, attempt, setting.driver, train)


def _stalled(ledger: TrainingLedger, trial_id: str, attempt: int, sentence: str, stacks: str) -> None:
    ledger.fail(
        trial_id, attempt, {"class": "stalled", "reason": sentence, "traceback": stacks, "host": platform.node()}
    )


def publish(
    setting: DivingSetting, training: Training, attempt: int, outcome: Mapping[str, Any], seconds: float
) -> None:
    """A record or a failure for each trial of a training that has none, asked for or not; its own record last."""
    folder, trials = setting.ledger.folder(training.trial.trial_id), setting.ledger.trials
    entries = trials.scan([trial.trial_id for trial in training.trials])
    trials.register(training.trials)
    highest = max(row["val_top1"] for row in outcome["epochs"])
    for trial in training.trials:
        level = training.levels[trial.experiment]
        kept = next(each for each in outcome["levels"] if each["level"] == level)
        if entries[trial.trial_id].record is not None:
            continue
        if highest < level - REACH:
            reason = f"never reached a validation top-1 of {level:g}: {highest:.4f} at best"
            trials.fail(trial.trial_id, attempt, {"class": "data", "reason": reason, "traceback": ""})
            trials.decide(trial.trial_id, attempt, retry=False)
            continue
        predictions = pq.read_table(pa.BufferReader(folder.read_bytes(predictions_file(kept["epoch"]))))
        record = _record(trial, outcome, kept, predictions, seconds, setting.group) | {"attempt": attempt}
        trials.finish(
            trial.trial_id, record, outcome["epochs"], predictions, folder.read_bytes(level_file(kept["epoch"]))
        )
    summary = {name: outcome[name] for name in ("levels", "best_epoch", "best_val_top1", "parameters")}
    folder.write_json(
        RECORD,
        {**training.trial.as_dict(), **summary, "epochs": len(outcome["epochs"]), "seconds": {"total": seconds}},
    )


def tidy(ledger: TrainingLedger, trial_id: str) -> None:
    """Delete what a training's trials have copies of: checkpoints, predictions, and what it came to."""
    folder = ledger.folder(trial_id)
    for name in ledger.while_running(folder.names()):
        folder.delete(name)


def _dives(plan: DivingPlan, training: Training, folder: Storage) -> Dives:
    grid, size = plan.grid, plan.grid.sizes[training.trial.size]
    shape = {"num_frames": NUM_FRAMES, "frame_size": FRAME_SIZE, "channels": CHANNELS, "num_classes": NUM_CLASSES}
    frames = {
        domain: domain_frames(domain, masks=plan.masks, published=plan.published, codec=grid.codec)
        for domain in grid.domains
    }
    return Dives(
        partial(build_model, size.architecture, size.hidden_units, **shape, **size.options),
        plan.data,
        folder,
        training.trial.seed,
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
    said["found"] = among_the_best(np.stack(predictions["logits"].to_numpy()), said["label"].to_numpy())
    groups = said.groupby(["target", "split"], sort=False)
    rows = groups.agg(clips=("right", "size"), correct=("right", "sum"), top1=("right", "mean"), top5=("found", "mean"))
    return [
        {
            "target": row["target"],
            "split": row["split"],
            "role": ROLES[row["split"]] if row["target"] == SOURCE else "target",
            "clips": int(row["clips"]),
            "correct": int(row["correct"]),
            "top1": float(row["top1"]),
            "top5": float(row["top5"]),
        }
        for row in rows.reset_index().to_dict("records")
    ]
