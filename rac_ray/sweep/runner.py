"""Run a plan on Ray: data by the study, clips as they are fed, trainings by Tune, each trained by TorchTrainer.

A training of one worker runs TorchTrainer in its own process, which Tune reuses for the next one; one of several
workers gets a real worker group with DDP. The ledger, not Tune's files, is the truth: Tune's go to a folder that is
thrown away. One driver at a time: the run holds the sweep's lock.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rac_ray.counted import counted, duration
from rac_ray.store.entry import Entry, State
from rac_ray.store.ledger import DRIVER
from rac_ray.store.lock import Lock, holding
from rac_ray.store.storage import Storage
from rac_ray.sweep.announced import announced
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.job import Setting
from rac_ray.sweep.listening import Listener, Listeners
from rac_ray.sweep.loading import loading
from rac_ray.sweep.monitor import Monitor, say_line
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.pixels import pixels_of, require_same_pixels
from rac_ray.sweep.placing import placed
from rac_ray.sweep.planner import BYTES_PER_TRAINING, Plan, bytes_of, local_gpus, precision_on
from rac_ray.sweep.price import FORECAST, Price, compared, price_of, this_device
from rac_ray.sweep.provenance import commit, versions
from rac_ray.sweep.queue import Queue
from rac_ray.sweep.remembered import remember_options
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.scratch import scratch
from rac_ray.sweep.session import cores_here, count_resources_here, machine_of, object_store_here, ray_runs, ray_session
from rac_ray.sweep.sharing import shared_clips

if TYPE_CHECKING:
    from rac_ray.sweep.follow import Follower
    from rac_ray.sweep.halving import Searching

RESERVE_BYTES = 20_000_000
"""Room that is left free on a disk, for failures and what running trainings write last."""

Trainable = Callable[..., None]
"""``run_task``, or what tests put in its place."""


def run_plan(
    plan: Plan,
    resources: Resources,
    say: Callable[[str], None] = say_line,
    trainable: Trainable = run_task,
    listeners: Sequence[Listener] = (),
) -> str:
    """Make what data is missing, then run what trainings and evaluations are missing.

    Returns why it stopped early, or nothing. Results are in the ledger afterwards, the forecast and what came of it in
    the preset's ``forecast.json``. Raises Busy when another driver lives on the sweep, BadInput when no training fits
    the cluster or finished ones saw other pixels than the data folder holds.
    """
    began = time.monotonic()
    with ray_session(resources, plan.title):
        plan, packing = placed(plan, resources, machine_of(resources))
        with holding(plan.sweep, DRIVER, resources.take_over) as lock:
            if plan.retry_failed:
                plan.forget_damaged()
            adopted = plan.adopt()
            if adopted:
                say(f"{counted(adopted, 'finished training')} taken over from other sweeps on this storage")
            entries = plan.entries()
            probing = time.monotonic()
            price = price_of(plan, packing, entries, resources.pricing, say)
            began += time.monotonic() - probing  # the forecast is of the run without the probe
            for line in announced(plan, entries, price):
                say(line)
            for part in plan.parts:
                plan.study.prepare(part.grid, part.data, part.tasks, say)
            require_same_pixels(plan, entries)
            remember_options(plan, plan.asked)
            plan.ledger.register(plan.tasks, entries, plan.study.name)
            queue = queue_for(plan, resources, packing, entries, price, lock)
            searching = searching_of(plan, queue, say)
            if queue.over:
                return ""
            for line in price.lines():
                say(f"plan: {line}")
            plan.folder.write_json(FORECAST, price.as_dict())
            if packing.elastic:
                count_resources_here()
            monitor = _monitor_of(plan, queue, resources, price, entries, say)
            reason = _tune(plan, monitor, resources, lock, trainable, searching, listeners)
            if reason:
                return reason
            finished = sum(queue.states[training.training_id] == "done" for training in queue.trainings)
            actual = compared(price, time.monotonic() - began, finished)
            plan.folder.write_json(FORECAST, {**price.as_dict(), "actual": actual})
            if actual["ratio"]:
                say(f"forecast: took {duration(actual['wall_seconds'])}, {actual['ratio']:.2f} of what was expected")
            return ""


def load_tune() -> None:
    """Load what runs a plan, while there is nothing else to do."""
    with loading():
        from rac_ray.sweep import board, job_progress, metrics, tuning  # noqa: F401


def price_plan(
    plan: Plan, resources: Resources, say: Callable[[str], None] = say_line, *, remember: bool = True
) -> Price:
    """The price of what is missing; starts Ray only to probe or to ask a cluster for its size.

    A cluster is not made to grow for a probe. Unless ``remember``, nothing is written.
    """
    if not resources.pricing.seconds and not resources.address:
        machine = Machine(resources.num_cpus or cores_here(), resources.num_gpus or 0, store=object_store_here())
        plan, packing = placed(plan, resources, machine)
        return price_of(plan, packing, plan.entries(), resources.pricing, say, device=this_device())
    import ray

    with ray_session(resources):
        (plan, packing), pricing, device = placed(plan, resources, machine_of(resources)), resources.pricing, None
        if packing.machine.gpus and not ray.cluster_resources().get("GPU"):
            say("no GPU is up, and a plan starts none: priced from records and earlier probes")
            pricing, device = replace(pricing, seconds=0), this_device()
        return price_of(plan, packing, plan.entries(), pricing, say, remember=remember, device=device)


def precision_for(resources: Resources) -> str:
    """What ``auto`` means where a run is to take place; asks a cluster whose size nobody has told."""
    if resources.num_gpus is not None:
        return precision_on(resources.num_gpus)
    if resources.address is None and not ray_runs():
        return precision_on(local_gpus())
    with ray_session(resources):
        return precision_on(machine_of(resources).gpus)


def queue_for(
    plan: Plan, resources: Resources, packing: Packing, entries: Mapping[str, Entry], price: Price, lock: Lock
) -> Queue:
    """What this run has to do, longest trainings first, so that the tail is short.

    That is what waits, and with ``plan.retry_failed`` what was given up, too.
    """
    states: dict[str, State] = {training_id: entry.state(lock.holder.token) for training_id, entry in entries.items()}
    states |= plan.settled
    for training_id, state in states.items():
        if plan.retry_failed and state == "failed" and training_id not in plan.settled:
            states[training_id] = "pending"
    kinds = {task.training.kind for task in plan.tasks}
    side_by_side = max(packing.at_once(kind) for kind in kinds)
    room = max([BYTES_PER_TRAINING, *(bytes_of(task) for task in plan.tasks)]) * max(1, side_by_side)
    waiting = [task.training for task in plan.tasks if states[task.training_id] == "pending"]
    return Queue(
        states,
        sorted(waiting, key=lambda training: -price.expected[training.training_id]),
        packing,
        resources.budgets,
        {training_id: entry.attempts for training_id, entry in entries.items()},
        resources.pause,
        at_once=side_by_side * packing.stack if packing.limits else None,
        guard=lambda: lock.stop_reason or no_room(plan.ledger.storage, room),
        held={training.training_id for training in waiting} if plan.is_search else set(),
        stacks=packing.stack > 1,
    )


def searching_of(plan: Plan, queue: Queue, say: Callable[[str], None]) -> "Searching | None":
    """What leads a plan of candidates from one to the next; None for any other plan."""
    if not plan.is_search:
        return None
    from rac_ray.sweep.halving import Searching

    searching = Searching(plan, say)
    searching.begin(queue)
    return searching


def no_room(storage: Storage, for_trainings: int) -> str:
    """Why no further training should start on a disk that is nearly full; nothing where there is room for its bytes."""
    free, needed = storage.free_bytes(), RESERVE_BYTES + for_trainings
    if free is None or free >= needed:
        return ""
    return (
        f"{storage.root} has {free / 1e6:.0f} MB left and {needed / 1e6:.0f} MB are kept free; "
        "make room and give the same command again"
    )


def _monitor_of(
    plan: Plan,
    queue: Queue,
    resources: Resources,
    price: Price,
    entries: Mapping[str, Entry],
    say: Callable[[str], None],
) -> Monitor:
    """What tells of the run: lines, and progress on a terminal."""
    wall = price.forecast.wall_seconds.expected if price.forecast else 0.0
    one_each = "candidate" if plan.is_search else "trial"
    return Monitor(
        queue,
        say,
        price.expected if price.forecast else {},
        wall,
        resources.verbose,
        plan.trained(entries),
        one_each if len(plan.trials) == len(plan.tasks) else "training",
        live=sys.stderr if say is say_line and sys.stderr.isatty() else None,
    )


def _tune(
    plan: Plan,
    monitor: Monitor,
    resources: Resources,
    lock: Lock,
    trainable: Trainable,
    searching: "Searching | None",
    listeners: Sequence[Listener],
) -> str:
    """Run the monitored queue's trainings through Tune; returns why it stopped early, or nothing."""
    from ray import tune

    from rac_ray.sweep.follow import Follower
    from rac_ray.sweep.metrics import SweepMetrics
    from rac_ray.sweep.progress_file import ProgressFile
    from rac_ray.sweep.tuning import through_tune

    tasks = {task.training_id: task for task in plan.tasks}
    queue = monitor.queue
    first = {(training.clips_key, training.model): training for training in reversed(queue.trainings)}
    progress = ProgressFile(plan.sweep, lock.holder.token, monitor)
    told = Listeners((SweepMetrics(plan.study.name), progress, *listeners))
    for task in plan.tasks:
        told.state(task.training, queue.states[task.training_id])
    with closing(monitor), closing(progress), scratch() as thrown_away:
        setting = _setting(plan, queue.packing, resources, lock, thrown_away)
        study, parts = plan.study, {key: plan.part_of(training) for key, training in first.items()}
        ours = tune.with_parameters(
            trainable,
            tasks=tasks,
            clips=shared_clips(plan.tasks) if plan.delivered == "resident" else {},
            made_from={
                key: study.made_from(part.grid, part.data, tasks[first[key].training_id]) for key, part in parts.items()
            },
            setting=setting,
        )
        follower, scheduler = Follower(queue, tasks, plan.ledger, monitor, told), None
        if searching:
            follower, scheduler = searching.on_tune(follower)
        return through_tune(
            study.name,
            ours,
            follower,
            lock,
            thrown_away,
            reuse_actors=not setting.in_groups,
            scheduler=scheduler,
            title=plan.title,
            beside=_shown(plan, follower, resources),
        )


def _shown(plan: Plan, follower: "Follower", resources: Resources) -> list[Any]:
    """What shows the run in Ray's dashboard, where there is one."""
    from rac_ray.sweep.board import Board
    from rac_ray.sweep.job_progress import JobProgress, submission_id

    shown: list[Any] = [Board(plan.title, follower.tasks, plan.ledger)] if resources.watched else []
    if job := submission_id():
        shown.append(JobProgress(job, follower.queue, follower.tasks, follower.monitor.time_left))
    return shown


def _setting(plan: Plan, packing: Packing, resources: Resources, lock: Lock, scratch: str) -> Setting:
    """A group that may shrink goes on without a lost worker; one of a fixed size leaves it to the queue."""
    return Setting(
        ledger=plan.ledger,
        driver=lock.holder.token,
        study=plan.study.name,
        content=pixels_of(plan),
        workers=(packing.fewest, packing.workers) if packing.elastic else packing.workers,
        per_worker=packing.per_worker(),
        lost_workers=resources.budgets.preempted if packing.elastic else 0,
        cuda_graphs=resources.cuda_graphs,
        retell=plan.is_search,
        delivered=plan.delivered,
        keep_shards=resources.keep_shards,
        stall=resources.stall,
        scratch=scratch,
        commit=commit(),
        versions=versions(),
    )
