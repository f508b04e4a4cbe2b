"""Run a plan on Ray: shards by Ray tasks, clips by Ray Data, trials by Tune, each trained by TorchTrainer.

A trial of one worker runs TorchTrainer in its own process, which Tune reuses for the next trial; one of several
workers gets a real worker group with DDP. The ledger, not Tune's files, is the truth: Tune's go to a folder that
is thrown away. One driver at a time: the run holds the sweep's lock.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import ray

from rac_ray.data.generate import generate
from rac_ray.data.loading import open_clips, part_keys
from rac_ray.errors import BadInput
from rac_ray.ledger import DRIVER, Entry, State
from rac_ray.lock import Lock, holding
from rac_ray.provenance import commit
from rac_ray.storage import Storage
from rac_ray.sweep.attempt import run_trial
from rac_ray.sweep.follow import Follower
from rac_ray.sweep.metrics import SweepMetrics
from rac_ray.sweep.monitor import Monitor, duration, say_line
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.planner import BYTES_PER_TRIAL, Plan
from rac_ray.sweep.price import FORECAST, Price, compared, price_of
from rac_ray.sweep.queue import Queue
from rac_ray.sweep.session import Resources, ray_session
from rac_ray.sweep.tuning import through_tune
from rac_ray.training.worker import Setting

RESERVE_BYTES = 20_000_000
"""Room that is left free on a disk, for failures and the last words of running trials."""


Trainable = Callable[[dict[str, Any], dict[str, Any], Setting], None]


def run_plan(
    plan: Plan, resources: Resources, say: Callable[[str], None] = say_line, trainable: Trainable = run_trial
) -> str:
    """Make what data is missing, then run what trials are missing; returns why it stopped early, or nothing.

    Results are in the ledger afterwards, the forecast and what came of it in the preset's ``forecast.json``. Raises
    Busy when another driver lives on the sweep, BadInput when no trial fits the cluster or finished trials saw other
    pixels than the data folder holds.
    """
    began = time.monotonic()
    with ray_session(resources, plan.title):
        packing = packing_for(plan, resources, machine_of(resources))
        with holding(plan.ledger.storage, DRIVER, resources.take_over) as lock:
            adopted = plan.adopt()
            if adopted:
                say(f"{adopted} finished trials taken over from other sweeps on this storage")
            entries = plan.entries()
            probing = time.monotonic()
            price = price_of(plan, packing, entries, resources.pricing, say)
            began += time.monotonic() - probing  # the forecast is of the run without the probe
            made = generate(plan.data, plan.dataset, plan.digits, say)
            say(f"data {plan.data.root}: {made} shards made, digits={plan.digits.source}")
            require_same_pixels(plan, entries)
            plan.ledger.register(plan.trials)
            queue = queue_for(plan, resources, packing, entries, price, lock)
            if not queue.trials:
                return ""
            for line in price.lines():
                say(f"plan: {line}")
            plan.folder.write_json(FORECAST, price.as_dict())
            reason = _tune(plan, queue, resources, price, lock, say, trainable)
            if reason:
                return reason
            finished = sum(queue.states[trial.trial_id] == "done" for trial in queue.trials)
            actual = compared(price, time.monotonic() - began, finished)
            plan.folder.write_json(FORECAST, {**price.as_dict(), "actual": actual})
            if actual["ratio"]:
                say(f"forecast: took {duration(actual['wall_seconds'])}, {actual['ratio']:.2f} of what was expected")
            return ""


def price_plan(plan: Plan, resources: Resources, say: Callable[[str], None] = say_line) -> Price:
    """The price of what is missing; starts Ray only to probe or to ask a cluster for its size.

    A cluster is not made to grow for a probe.
    """
    if not resources.pricing.seconds and not resources.address:
        machine = Machine(resources.num_cpus or os.cpu_count() or 1, resources.num_gpus or 0)
        return price_of(plan, packing_for(plan, resources, machine), plan.entries(), resources.pricing, say)
    with ray_session(resources):
        packing, pricing = packing_for(plan, resources, machine_of(resources)), resources.pricing
        if pricing.seconds and packing.machine.gpus and not ray.cluster_resources().get("GPU"):
            say("no GPU is up, and a plan starts none: priced from records and earlier probes")
            pricing = replace(pricing, seconds=0)
        return price_of(plan, packing, plan.entries(), pricing, say)


def machine_of(resources: Resources) -> Machine:
    """What the running Ray has, or will have."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Machine.of(nodes, resources.num_cpus, resources.num_gpus)


def packing_for(plan: Plan, resources: Resources, machine: Machine) -> Packing:
    """How trials are packed on a machine; BadInput when one class does not fit at all."""
    packing = Packing(machine, resources.workers, resources.cpus_per_trial, resources.trials_per_gpu)
    for trial_class in {(trial.model, trial.hidden_units) for trial in plan.trials}:
        packing.require(trial_class)
    return packing


def queue_for(
    plan: Plan, resources: Resources, packing: Packing, entries: Mapping[str, Entry], price: Price, lock: Lock
) -> Queue:
    """What this run has to do, longest trials first, so that the tail is short.

    That is trials that wait, and with ``plan.retry_failed`` those given up, too.
    """
    states: dict[str, State] = {trial_id: entry.state(lock.holder.token) for trial_id, entry in entries.items()}
    for trial_id, state in states.items():
        if plan.retry_failed and state == "failed":
            states[trial_id] = "pending"
    classes = {(trial.model, trial.hidden_units) for trial in plan.trials}
    return Queue(
        states,
        sorted(
            (trial for trial in plan.trials if states[trial.trial_id] == "pending"),
            key=lambda trial: -price.expected[trial.trial_id],
        ),
        packing,
        resources.budgets,
        {trial_id: entry.attempts for trial_id, entry in entries.items()},
        resources.pause,
        at_once=max(packing.at_once(each) for each in classes) if packing.in_groups else None,
        guard=lambda: (
            lock.stop_reason or no_room(plan.ledger.storage, BYTES_PER_TRIAL * max(1, int(packing.machine.cpus)))
        ),
    )


def no_room(storage: Storage, for_trials: int) -> str:
    """Why no further trial should start on a disk that is nearly full; nothing where there is room for their bytes."""
    free, needed = storage.free_bytes(), RESERVE_BYTES + for_trials
    if free is None or free >= needed:
        return ""
    return (
        f"{storage.root} has {free / 1e6:.0f} MB left and {needed / 1e6:.0f} MB are kept free; "
        "make room and give the same command again"
    )


def require_same_pixels(plan: Plan, entries: Mapping[str, Entry]) -> None:
    """BadInput when finished trials saw other pixels than the data folder holds now, though the spec is the same.

    A trial's id covers the spec; what other versions of the image libraries make of it shows only in the pixels.
    """
    parts = {part for trial in plan.trials for part in plan.direction(trial.source).parts}
    now = part_keys(plan.data, parts)
    for trial_id, entry in entries.items():
        saw = entry.record["content"] if entry.record else {}
        other = [part for part, content in saw.items() if content != now[part]]
        if other:
            raise BadInput(
                f"trial {trial_id} was trained with other pixels in {other[0]} than {plan.data.root} holds "
                "(made by other library versions); use its data folder or another --storage"
            )


def _tune(
    plan: Plan,
    queue: Queue,
    resources: Resources,
    price: Price,
    lock: Lock,
    say: Callable[[str], None],
    trainable: Trainable,
) -> str:
    """Run the queue's trials through Tune; returns why it stopped early, or nothing."""
    from ray import tune

    sources = sorted({trial.source for trial in queue.trials})
    parts = {part for source in sources for part in plan.direction(source).parts}
    live = sys.stderr if say is say_line and sys.stderr.isatty() else None
    wall = price.forecast.wall_seconds.expected if price.forecast else 0.0
    monitor = Monitor(queue, say, price.expected, wall, resources.verbose, live=live)
    metrics = SweepMetrics(plan.sweep.name)
    for trial in plan.trials:
        metrics.state(trial, queue.states[trial.trial_id])
    with tempfile.TemporaryDirectory(prefix="rac_ray-", ignore_cleanup_errors=True) as scratch:
        setting = Setting(
            ledger=plan.ledger,
            driver=lock.holder.token,
            content=part_keys(plan.data, parts),
            dataset=plan.dataset,
            workers=resources.workers,
            per_worker=queue.packing.per_worker(),
            cuda_graphs=resources.cuda_graphs,
            stall=resources.stall,
            scratch=scratch,
            commit=commit(),
        )
        datasets = {source: open_clips(plan.data, plan.direction(source).parts) for source in sources}
        ours = tune.with_parameters(trainable, datasets=datasets, setting=setting)
        follower = Follower(queue, plan.ledger, monitor, metrics)
        return through_tune(plan.sweep.name, ours, follower, lock, scratch, reuse_actors=resources.workers == 1)
