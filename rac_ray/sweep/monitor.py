"""What a running sweep says: one line per trial event, failures at once and with where to read on."""

import time
from collections.abc import Callable
from typing import Any

from ray import tune

from rac_ray.ledger import Ledger
from rac_ray.trial import Trial


class Monitor(tune.Callback):
    """Follows Tune and the ledger; prints through ``say``."""

    def __init__(self, ledger: Ledger, planned: int, done: int, say: Callable[[str], None]) -> None:
        self.ledger = ledger
        self.planned = planned
        self.finished = done
        self.failed: set[str] = set()
        self.say = say
        self._started = time.monotonic()
        self._this_run = 0

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        ours = Trial.from_dict(trial.config["trial"])
        self.say(f"{ours.trial_id} start  {ours.name}")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        ours = Trial.from_dict(trial.config["trial"])
        record = self.ledger.record(ours.trial_id)
        if record is None:
            self._tell_failure(ours)
            return
        self.finished += 1
        self._this_run += 1
        self.say(
            f"{ours.trial_id} done   {ours.name}: val top-1 {record['best_val_top1']:.3f} in epoch "
            f"{record['best_epoch']} of {record['epochs']}, {record['seconds']['total']:.0f} s; "
            f"{self.finished}/{self.planned} done, {len(self.failed)} failed, {self._time_left()}"
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune gave the trial up because its process died; the process could not write the failure itself."""
        ours = Trial.from_dict(trial.config["trial"])
        reason = "the trial's process died (killed, out of memory, or its node was lost)"
        self.ledger.fail(ours.trial_id, {"class": "preempted", "reason": reason, "traceback": str(trial.error_file)})
        self._tell_failure(ours)

    def _tell_failure(self, trial: Trial) -> None:
        self.failed.add(trial.trial_id)
        failures = self.ledger.failures(trial.trial_id)
        reason = failures[-1]["reason"] if failures else "no record and no failure file"
        where = self.ledger.failure_path(trial.trial_id, len(failures))
        self.say(f"{trial.trial_id} FAILED {trial.name}: {reason} (traceback: {where})")

    def _time_left(self) -> str:
        left = self.planned - self.finished - len(self.failed)
        if not left:
            return "none left"
        minutes = (time.monotonic() - self._started) / self._this_run * left / 60
        return f"about {minutes:.0f} min left" if minutes >= 1 else "under 1 min left"
