"""Trials by name in Ray's dashboard: one task of an actor for each.

One process runs trial after trial, and Ray asks an actor for its name only once. A task has a name of its own. It
begins and ends with its trial, and fails with it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rac_ray.identity import Training
from rac_ray.store.ledger import Ledger
from rac_ray.sweep.failures import summary
from rac_ray.sweep.follow import HALT, attempts_in
from rac_ray.sweep.trials_actor import Trials
from rac_ray.training.task import Task

SEEDS_SHOWN = 4
"""Of a stack, in its name."""


class Board(tune.Callback):
    """Tells the actor of each trial's start and end. Waits for no answer, so that trials lose no time."""

    def __init__(self, title: str, tasks: Mapping[str, Task], ledger: Ledger) -> None:
        """``title`` is the actor's ``repr``; ``tasks`` are all of the run, by training id."""
        self._tasks = tasks
        self._ledger = ledger
        self._open: set[str] = set()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._actor: Any = ray.remote(Trials).options(num_cpus=0, scheduling_strategy=here).remote(title)

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks for an experiment file that nobody reads."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempts = attempts_in(trial.config)
        name = name_of([self._tasks[training_id].training for training_id, _ in attempts], attempts[0][1])
        self._open.add(trial.trial_id)
        self._actor.run.options(name=name, num_returns=0).remote(trial.trial_id)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        attempts = attempts_in(trial.config)
        failures = [self._ledger.failure(*each) for each in attempts]
        halted = trial.last_result.get(HALT, "")
        self._ended(trial.trial_id, "; ".join([summary(each) for each in failures if each] or [halted]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.on_trial_complete(iteration, trials, trial)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """What still runs was interrupted."""
        for key in list(self._open):
            self._ended(key, "interrupted")

    def _ended(self, key: str, why: str) -> None:
        self._open.discard(key)
        self._actor.end.options(num_returns=0, enable_task_events=False).remote(key, why)


def name_of(trainings: Sequence[Training], attempt: int = 1) -> str:
    """``convlstm h=8 2dot seed=42``; of a stack ``convlstm h=8 2dot seeds=0,1,2,3 and 4 more``."""
    first, *others = trainings
    again = f", attempt {attempt}" if attempt > 1 else ""
    if not others:
        return first.name + again
    shown = ",".join(str(each.seed) for each in trainings[:SEEDS_SHOWN])
    more = f" and {len(trainings) - SEEDS_SHOWN} more" if len(trainings) > SEEDS_SHOWN else ""
    return f"{first.name.removesuffix(f'seed={first.seed}')}seeds={shown}{more}{again}"
