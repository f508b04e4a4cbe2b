"""MLflow: an experiment for each sweep, a run for each preset, and below it one for each training."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# A server that has gone is told of before the driver loses its patience.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from rac_ray.loggers.protocol import Run, Sweep

KEY, PRESET, STATE, PARAMS = "rac_ray.training", "rac_ray.preset", "rac_ray.state", "rac_ray.has_parameters"
"""Tags: a training's id, or of the run of a sweep ``preset NAME``; the preset that a run was begun for; its state;
whether its parameters are there, which cannot change."""
STATUS = {"running": "RUNNING", "pending": "SCHEDULED", "done": "FINISHED", "unreached": "FINISHED", "failed": "FAILED"}
AT_ONCE = 900
"""Metrics in one request; a server takes a thousand."""
LONGEST = 500
"""Characters of a parameter that every server takes."""


@dataclass
class Known:
    """What the server has of a run."""

    run_id: str
    epochs: set[int]
    finals: dict[str, float]
    tags: dict[str, str]


class MLflow:
    """Asks the server once what it has of a run, and sends what it has not."""

    def __init__(self, where: str, sweep: Sweep) -> None:
        self.sweep = sweep
        self.client = MlflowClient(tracking_uri=where)
        self.experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or sweep.name)
        self.parent = self._found_or_made(f"preset {sweep.preset}", sweep.title, {}, None).run_id
        self._known: dict[str, Known] = {}

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        try:
            return self.client.create_experiment(name)
        except MlflowException:  # somebody else was quicker
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return found.experiment_id

    def _found_or_made(self, key: str, name: str, tags: Mapping[str, str], began: float | None) -> Known:
        found = self.client.search_runs([self.experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        if not found:
            own = {KEY: key, PRESET: self.sweep.preset, "mlflow.runName": name, **tags}
            made = self.client.create_run(self.experiment, milliseconds(began), own, name)
            return Known(made.info.run_id, set(), {}, own)
        (run,) = found
        there = run.data.metrics
        curves = [metric for metric in there if not metric.startswith("final/")]
        told_by = "val_top1" if "val_top1" in curves else next(iter(curves), None)
        history = self.client.get_metric_history(run.info.run_id, told_by) if told_by else []
        finals = {metric: value for metric, value in there.items() if metric not in curves}
        return Known(run.info.run_id, {point.step for point in history}, finals, dict(run.data.tags))

    def write(self, run: Run) -> None:
        if run.key not in self._known:
            tags = {"mlflow.parentRunId": self.parent}
            self._known[run.key] = known = self._found_or_made(run.key, run.name, tags, run.began)
            if PARAMS not in known.tags:
                params = [Param(plain(name), str(value)[:LONGEST]) for name, value in run.parameters.items()]
                self.client.log_batch(known.run_id, params=params, tags=[RunTag(PARAMS, "yes")])
        known = self._known[run.key]
        for points in batches(run, known):
            self.client.log_batch(known.run_id, points)
        named = {plain(name): value for name, value in run.finals.items()}
        finals = {name: value for name, value in named.items() if known.finals.get(name) != value}
        if finals:
            points = [Metric(name, value, milliseconds(run.ended), 0) for name, value in finals.items()]
            self.client.log_batch(known.run_id, points)
            known.finals |= finals
        self._tell_state(run, known)

    def _tell_state(self, run: Run, known: Known) -> None:
        tags = {STATE: run.state, **{f"rac_ray.{name}": said for name, said in run.notes.items()}}
        new = {name: said for name, said in tags.items() if known.tags.get(name) != said}
        if not new:
            return
        self.client.log_batch(known.run_id, tags=[RunTag(name, said[:LONGEST]) for name, said in new.items()])
        if STATE in new and run.state in ("running", "pending"):
            self.client.update_run(known.run_id, STATUS[run.state])
        elif STATE in new:
            self.client.set_terminated(known.run_id, STATUS[run.state], milliseconds(run.ended))
        known.tags |= new

    def attach(self, step: int, files: Mapping[str, Path]) -> None:
        """Figures and report are artefacts of the preset's run; those of the same name are replaced."""
        with TemporaryDirectory() as folder:
            for name, path in files.items():
                copy = Path(folder, name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.symlink_to(path)
            self.client.log_artifacts(self.parent, folder)
        self.client.set_tag(self.parent, "rac_ray.trials_over", str(step))
        self.client.set_terminated(self.parent, "FINISHED")

    def close(self) -> None:
        """All is with the server already."""


LOGGER = MLflow


def batches(run: Run, known: Known) -> Iterator[list[Metric]]:
    """The curves' points that the server has not, epoch by epoch: never a part of an epoch."""
    batch: list[Any] = []
    for row in run.epochs:
        epoch = int(row["epoch"])
        if epoch in known.epochs:
            continue
        known.epochs.add(epoch)
        values = {name: value for name, value in row.items() if name != "epoch"}
        if len(batch) + len(values) > AT_ONCE:
            yield batch
            batch = []
        batch += [Metric(name, value, milliseconds(run.ended), epoch) for name, value in values.items()]
    if batch:
        yield batch


def plain(name: str) -> str:
    """A name of the characters that MLflow takes."""
    return re.sub(r"[^\w\-./: ]", "_", name)


def milliseconds(moment: float | None) -> int:
    """A moment as MLflow has it; None: now."""
    return int(1000 * (moment or time.time()))
