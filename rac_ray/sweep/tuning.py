"""A queue of attempts through Ray Tune, until it is over or has to stop. Tune's own files are thrown away."""

import logging
import os
from collections.abc import Sequence
from typing import Any

from rac_ray.counted import counted
from rac_ray.store.lock import Lock
from rac_ray.sweep.follow import Follower, QueueSearcher, Stop
from rac_ray.sweep.outcomes import BY_HAND

MOST_SHOWN = 512
"""Attempts that wait for their processes at most: each is a placement group that Ray's scheduler looks at again and
again. For those for which there is no room yet Ray adds nodes, where it can."""


def through_tune(
    name: str,
    trainable: Any,
    follower: Follower,
    lock: Lock,
    scratch: str,
    *,
    reuse_actors: bool = False,
    scheduler: Any = None,
    title: str = "",
    beside: Sequence[Any] = (),
) -> str:
    """Run the follower's queue, an attempt per Tune trial; returns why it stopped early, or nothing.

    ``trainable`` takes ``{"training_id", "attempt", "resources"}``; ``scratch`` is a folder for Tune's own files, and
    ``scheduler`` one of Tune's, which may stop attempts. Ray's dashboard shows a process that runs one attempt after
    another by the ``title``, and any other by its training's name. The callbacks ``beside`` the follower hear what it
    hears.
    """
    from ray import tune

    queue, monitor = follower.queue, follower.monitor
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # the monitor tells what happens
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(min(MOST_SHOWN, queue.room))
    tune.Tuner(
        _process_of(trainable, title if reuse_actors else ""),
        tune_config=tune.TuneConfig(
            search_alg=QueueSearcher(queue),
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=reuse_actors,
            trial_name_creator=_tune_name,
            trial_dirname_creator=_tune_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=scratch,
            verbose=0,
            callbacks=[follower, *beside],
            stop=Stop(queue, lock),
            failure_config=tune.FailureConfig(max_failures=0),
        ),
    ).fit()
    monitor.close()
    for training_id in queue.running:
        queue.interrupted(training_id)
    if queue.counts()["pending"]:
        queue.stop(BY_HAND)
    if queue.stop_reason == BY_HAND:
        done = f"{queue.counts()['done']} of {counted(len(queue.states), monitor.what)}"
        monitor.say(f"interrupted: {done} done, and nothing is lost; the same command goes on from here")
        return queue.stop_reason
    if queue.stop_reason:
        monitor.say(f"stopped: {queue.stop_reason}")
    monitor.say(monitor.summary())
    return queue.stop_reason


def _process_of(trainable: Any, title: str) -> Any:
    """Tune's actor of a trainable. Ray shows it by this name and its ``repr``, for which it asks once."""
    from ray import tune
    from ray.tune.trainable.function_trainable import wrap_function

    class TrialProcess(wrap_function(trainable)):
        __qualname__ = "TrialProcess"

        def __repr__(self) -> str:
            return title or self.config["name"]

        @classmethod
        def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
            return tune.PlacementGroupFactory([config["resources"]])

    return TrialProcess


def _tune_name(trial: Any) -> str:
    return f"{trial.config['training_id']}-{trial.config['attempt']}"
