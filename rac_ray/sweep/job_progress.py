"""A sweep's progress in the entry of its Ray job, which the dashboard's Jobs page and Ray's job client show.

Ray has no call for it. A job's entry is JSON in the cluster's key-value store, where the job server reads it anew for
each answer; a driver that is no submitted job has an entry that never changes.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ray import tune
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

from rac_ray.store.entry import STATES, State
from rac_ray.sweep.follow import WHOSE
from rac_ray.sweep.queue import Queue
from rac_ray.training.task import Task

REFRESH_SECONDS = 5.0
_CONFIG, _STORE, _KEY = "RAY_JOB_CONFIG_JSON_ENV_VAR", "job", "_ray_internal_job_info_{}"
"""Names of Ray 2.60: the variable that a job's driver gets, and where its entry is."""
_LOGGER = logging.getLogger(__name__)


def submission_id() -> str:
    """The id under which this driver was handed over to Ray; nothing for a driver that was not."""
    return json.loads(os.environ.get(_CONFIG, "{}")).get("metadata", {}).get("job_submission_id", "")


class JobProgress(tune.Callback):
    """Writes counts, the best trial and the time left: at once, every few seconds, and at the end."""

    def __init__(self, job: str, queue: Queue, tasks: Mapping[str, Task], time_left: Callable[[], str]) -> None:
        """``job`` is the submission id, ``tasks`` are all of the run, by training id."""
        self._job = job
        self._queue = queue
        self._tasks = tasks
        self._time_left = time_left
        self._best: tuple[float, str] | None = None
        self._written = -REFRESH_SECONDS

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks for an experiment file that nobody reads."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "best_val_top1" in result:
            training = self._tasks[result.get(WHOSE, trial.config["training_id"])].training
            self._best = max(self._best or (-1.0, ""), (result["best_val_top1"], training.name))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() - self._written >= REFRESH_SECONDS:
            self._write()

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._write()

    def _write(self) -> None:
        """Never raises: a sweep does not need its progress to be seen."""
        self._written = time.monotonic()
        try:
            write_progress(self._job, progress_of(self._queue.counts(), self._best, self._time_left()))
        except Exception:
            _LOGGER.warning("the progress of job %s cannot be written", self._job, exc_info=True)


def progress_of(counts: Mapping[State, int], best: tuple[float, str] | None, time_left: str) -> dict[str, str]:
    """What a job's metadata say of its sweep, as in ``{"trials": "3/40 done, 2 running, 0 failed"}``."""
    total = sum(counts[state] for state in STATES)
    progress = {"trials": f"{counts['done']}/{total} done, {counts['running']} running, {counts['failed']} failed"}
    if best:
        progress["best"] = f"val top-1 {best[0]:.3f}, {best[1]}"
    return {**progress, "time left": time_left}


def write_progress(job: str, progress: Mapping[str, str]) -> None:
    """Put it into the entry of a job that runs: as metadata, and in one line as the status message."""
    key = _KEY.format(job)
    found = _internal_kv_get(key, namespace=_STORE)
    entry = json.loads(found) if found else {}
    if entry.get("status") != "RUNNING":
        return
    best = f"best {progress['best']}; " if "best" in progress else ""
    entry["message"] = f"{progress['trials']}; {best}{progress['time left']}"
    entry["metadata"] = {**(entry.get("metadata") or {}), **progress}
    _internal_kv_put(key, json.dumps(entry), namespace=_STORE)
