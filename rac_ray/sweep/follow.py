"""What stands between Tune and the queue: hands attempts to Tune, learns from the ledger how they ended, says so."""

from collections.abc import Mapping
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from rac_ray.identity import Training
from rac_ray.store.ledger import Ledger
from rac_ray.store.lock import Lock
from rac_ray.sweep.failures import lost_process
from rac_ray.sweep.listening import Listener
from rac_ray.sweep.monitor import Monitor
from rac_ray.sweep.queue import Queue
from rac_ray.training.task import Task

HALT = "halt"
"""Key of a trial's last report when the whole sweep has to stop, with the reason."""
WHOSE = "training_id"
"""Key of a report: the training that it is about."""
RESUMED = "resumed"
"""Key of a report that tells of an epoch of an earlier attempt, after which this one goes on."""


def attempts_in(config: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Ids of the trainings that a Tune trial is an attempt at, and the attempt's number at each."""
    return [(config["training_id"], config["attempt"]), *config.get("mates", {}).items()]


class QueueSearcher(Searcher):
    """Tune asks it for trials; it passes on what the queue says."""

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self.queue = queue

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its searcher for an experiment file that nobody reads."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """One attempt's config, None while none should wait for room, FINISHED when there will be none."""
        ticket = None if self.queue.ahead else self.queue.next()
        if ticket is None:
            return Searcher.FINISHED if self.queue.over else None
        mates = {"mates": dict(ticket.mates)} if ticket.mates else {}
        training, resources = ticket.training, dict(ticket.resources)
        of_training = {"training_id": training.training_id, "name": training.name}
        return {**of_training, "attempt": ticket.attempt, "resources": resources, **mates}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The follower learns it from the ledger."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing is written: the ledger is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is read: the ledger is the truth."""


class Follower(tune.Callback):
    """Brings each event of Tune to the queue, the ledger, the console and whoever listens."""

    def __init__(
        self, queue: Queue, tasks: Mapping[str, Task], ledger: Ledger, monitor: Monitor, listener: Listener
    ) -> None:
        """``tasks`` are all of the run, by training id."""
        self.queue = queue
        self.tasks = tasks
        self.ledger = ledger
        self.monitor = monitor
        self.listener = listener

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks for an experiment file that nobody reads."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.monitor.tick()
        self.listener.refresh()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempts = self._attempts(trial)
        for ours, attempt in attempts:
            self.queue.started(ours.training_id)
            self.listener.state(ours, "running")
            self.monitor.started(ours, attempt, trial.config["resources"], stacked=len(attempts))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "val_top1" in result:
            ours = self.tasks[result.get(WHOSE, trial.config["training_id"])].training
            if result.get(RESUMED):
                self.monitor.resumed(ours, result)
            else:
                self.listener.epoch(ours, result)
                self.monitor.epoch(ours, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        for ours, attempt in self._attempts(trial):
            if self._done(ours):
                continue
            if reason := trial.last_result.get(HALT):
                self._interrupted(ours, reason)
            else:
                self._failed(ours, attempt, self._why(ours, attempt, None))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The process died: by its own hand with a failure file, or without a word."""
        for ours, attempt in self._attempts(trial):
            if not self._done(ours):
                self._failed(ours, attempt, self._why(ours, attempt, trial.get_pickled_error()))

    def _why(self, training: Training, attempt: int, error: BaseException | None) -> dict[str, Any]:
        """What the attempt wrote of its failure, or what is known of a process that wrote nothing."""
        begun = self.ledger.begun(training.training_id) or {}
        mine = begun if begun.get("attempt") == attempt else None
        return self.ledger.failure(training.training_id, attempt) or lost_process(error, mine)

    def _attempts(self, trial: Any) -> list[tuple[Training, int]]:
        """The trainings that Tune's trial is an attempt at, and the attempt's number at each."""
        return [(self.tasks[training_id].training, attempt) for training_id, attempt in attempts_in(trial.config)]

    def _done(self, training: Training) -> bool:
        """Whether nothing is outstanding; says so."""
        record = self.ledger.record(training.training_id)
        if record is None or self.tasks[training.training_id].outstanding(record):
            return False
        self.queue.done(training.training_id)
        self.listener.state(training, "done")
        self.monitor.done(training, record)
        return True

    def _failed(self, training: Training, attempt: int, failure: Mapping[str, Any]) -> None:
        if self.queue.stop_reason:
            self._interrupted(training, self.queue.stop_reason)
            return
        wait = self.queue.failed(training.training_id, failure["class"])
        try:
            self.ledger.fail(training.training_id, attempt, failure)
            self.ledger.decide(training.training_id, attempt, retry=wait is not None)
        except OSError as error:
            self.queue.stop(f"{self.ledger.storage.root} cannot be written: {error.strerror or error}")
        self.listener.state(training, "failed" if wait is None else "pending")
        self.monitor.failed(training, failure, wait, self.ledger.failure_path(training.training_id, attempt))

    def _interrupted(self, training: Training, reason: str) -> None:
        self.queue.interrupted(training.training_id)
        self.queue.stop(reason)
        self.listener.state(training, "pending")


class Stop(tune.Stopper):
    """Ends the whole run, running trials too, when its driver has to go."""

    def __init__(self, queue: Queue, lock: Lock) -> None:
        self.queue = queue
        self.lock = lock

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is stopped alone."""
        return False

    def stop_all(self) -> bool:
        """Whether the lock was lost or its holder asked to stop."""
        if self.lock.stop_reason:
            self.queue.stop(self.lock.stop_reason)
        return bool(self.lock.stop_reason)
