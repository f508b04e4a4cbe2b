"""A sweep on a cluster that is not there: its real queue and packing, with a simulated clock, nodes and losses. Pure.

Discrete events: a trial ends, a node comes up, a node is lost, a pause before a retry is over. What decides which trial
runs next, with which share of a machine and how often again, is ``Queue`` and ``Packing`` themselves.
"""

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rac_ray.identity import Training
from rac_ray.sweep.packing import Kind, Machine, Packing
from rac_ray.sweep.queue import Queue, Ticket

TINY = 1e-9
"""By which shares may exceed a node: sums of fractions are not exact."""


@dataclass(frozen=True)
class Site:
    """The cluster, and what its parts cost in time and money."""

    nodes: int
    """Worker nodes, or the most of them when they come as trials ask for them."""
    gpus: int = 0
    """Of a node; 0: trials run on its CPUs."""
    cpus: int = 1
    """Of a node."""
    gpu_memory: float = 0.0
    """Bytes."""
    grows: bool = False
    """Whether nodes start when trials wait, and end when they are idle."""
    boot_seconds: float = 0.0
    """From the wish for a node to its first trial."""
    idle_seconds: float = 600.0
    """After which a node ends that has nothing to do."""
    losses_per_hour: float = 0.0
    """How often a node is taken away, per hour that it runs."""
    notice_seconds: float = 30.0
    """Until the driver knows that a node is lost."""
    price: float = 0.0
    """Of a node, per hour."""
    head_price: float = 0.0
    """Of the head, per hour of the whole run."""

    @property
    def machine(self) -> Machine:
        return Machine(self.nodes * self.cpus, self.nodes * self.gpus, gpu_memory=self.gpu_memory, grows=self.grows)


@dataclass(frozen=True)
class Times:
    """Seconds, beside a trial's own work."""

    driver: float = 15.0
    """From the command to the first trial."""
    process: float = 0.0
    """A process's first trial takes so much longer."""
    trial: float = 0.0
    """Between two trials of a process."""
    checkpoint: float = 30.0
    """Between two checkpoints: what a lost trial does again is less."""


@dataclass(frozen=True)
class Outcome:
    """What one simulated sweep came to."""

    makespan: float
    """Seconds from the command to the last record."""
    node_seconds: float
    """That nodes were up, booting included."""
    busy: float
    """Share of the nodes' time that trials worked, in [0, 1]."""
    cost: float
    lost: int
    """Attempts that ended with their node."""
    states: Mapping[str, int]
    """Planned = done + failed + running + pending."""
    longest: float
    """Seconds of the longest trial's work: no cluster is quicker."""


@dataclass
class _Node:
    up_at: float
    free_cpus: float
    free_gpus: float
    trials: dict[str, "_Running"] = field(default_factory=dict)
    warm: Counter[tuple[tuple[str, float], ...]] = field(default_factory=Counter)
    """Processes that wait for a trial, by what they hold."""
    idle_since: float = 0.0
    wished_at: float = 0.0


@dataclass
class _Running:
    ticket: Ticket
    works_from: float
    ends_at: float


class Simulation:
    """One sweep; ``run`` once. ``work`` gives the seconds that a trial works when it shares its machine as packed."""

    def __init__(
        self,
        trials: Sequence[Training],
        work: Mapping[str, float],
        site: Site,
        times: Times = Times(),
        *,
        peaks: Mapping[Kind, float] | None = None,
        trials_per_gpu: int | Literal["auto"] = "auto",
        seed: int = 0,
    ) -> None:
        """``work`` by trial id; ``peaks`` are bytes of a trial by class, which ``auto`` packs by."""
        self.work, self.site, self.times = work, site, times
        self.now = 0.0
        packing = Packing(site.machine, peaks=peaks or {}, trials_per_gpu=trials_per_gpu, trials=len(trials))
        ordered = sorted(trials, key=lambda trial: -work[trial.training_id])
        states: dict[str, Any] = {trial.training_id: "pending" for trial in trials}
        self.queue = Queue(states, ordered, packing, clock=lambda: self.now)
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._nodes: list[_Node] = []
        self._booting = 0
        self._waiting: list[Ticket] = []
        self._left = dict(work)
        """Seconds of work that each trial still has before it."""
        self._worked = self._node_seconds = 0.0
        self._lost = 0
        self._ended_at = 0.0

    def run(self) -> Outcome:
        """Events until every trial is done or given up."""
        if not self.site.grows:
            for _ in range(self.site.nodes):
                self._join(0.0)
        self._at(self.times.driver, self._place)
        while self._events and not (self.queue.over and not self._waiting):
            self.now, _, act = heapq.heappop(self._events)
            act()
        for node in self._nodes:
            self._node_seconds += max(0.0, self._ended_at - node.wished_at)
        capacity = self._node_seconds * (self.site.gpus or self.site.cpus)
        price = self._node_seconds * self.site.price + self._ended_at * self.site.head_price
        return Outcome(
            makespan=self._ended_at,
            node_seconds=self._node_seconds,
            busy=min(1.0, self._worked / capacity) if capacity else 0.0,
            cost=price / 3600,
            lost=self._lost,
            states={str(state): count for state, count in self.queue.counts().items()},
            longest=max(self.work.values()),
        )

    def _at(self, time: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, act))

    def _join(self, wished_at: float) -> None:
        """A node is there."""
        node = _Node(self.now, self.site.cpus, self.site.gpus, idle_since=self.now, wished_at=wished_at)
        self._nodes.append(node)
        if self.site.losses_per_hour:
            lives = self._random.expovariate(self.site.losses_per_hour / 3600)
            self._at(self.now + lives, lambda: self._lose(node))

    def _place(self) -> None:
        """Give room to trials that wait, and wish for nodes for the others."""
        while True:
            self._waiting = [ticket for ticket in self._waiting if not self._start(ticket)]
            if self.queue.ahead or (ticket := self.queue.next()) is None:
                break
            self._waiting.append(ticket)
        if self.site.grows and self._waiting:
            share = sum(max(self._amounts(ticket)) for ticket in self._waiting)
            missing = math.ceil(share - TINY) - self._booting
            for _ in range(min(missing, self.site.nodes - len(self._nodes) - self._booting)):
                self._booting += 1
                wished_at = self.now
                self._at(self.now + self.site.boot_seconds, lambda wished=wished_at: self._boot(wished))

    def _boot(self, wished_at: float) -> None:
        self._booting -= 1
        self._join(wished_at)
        self._place()

    def _amounts(self, ticket: Ticket) -> tuple[float, float]:
        """Shares of a node's CPUs and GPUs."""
        gpus = ticket.resources.get("GPU", 0) / self.site.gpus if self.site.gpus else 0.0
        return ticket.resources["CPU"] / self.site.cpus, gpus

    def _start(self, ticket: Ticket) -> bool:
        cpus, gpus = ticket.resources["CPU"], ticket.resources.get("GPU", 0)
        fits = (node for node in self._nodes if node.free_cpus >= cpus - TINY and node.free_gpus >= gpus - TINY)
        node = max(
            fits, key=lambda node: (node.warm[_shape(ticket)] > 0, -node.free_gpus, -node.free_cpus), default=None
        )
        if node is None:
            return False
        node.free_cpus, node.free_gpus = node.free_cpus - cpus, node.free_gpus - gpus
        warm = node.warm[_shape(ticket)] > 0
        node.warm[_shape(ticket)] -= warm
        training_id = ticket.training.training_id
        self.queue.started(training_id)
        works_from = self.now + self.times.trial + (0 if warm else self.times.process)
        running = _Running(ticket, works_from, works_from + self._left[training_id])
        node.trials[training_id] = running
        self._at(running.ends_at, lambda: self._end(node, running))
        return True

    def _end(self, node: _Node, running: _Running) -> None:
        training_id = running.ticket.training.training_id
        if node.trials.get(training_id) is not running:
            return  # its node was lost before
        self._leave(node, running)
        node.warm[_shape(running.ticket)] += 1
        self._left[training_id] = 0.0
        self._ended_at = self.now
        self.queue.done(training_id)
        self._place()
        if not node.trials and self.site.grows:
            node.idle_since = self.now
            self._at(self.now + self.site.idle_seconds, lambda: self._retire(node))

    def _leave(self, node: _Node, running: _Running) -> None:
        del node.trials[running.ticket.training.training_id]
        node.free_cpus += running.ticket.resources["CPU"]
        node.free_gpus += running.ticket.resources.get("GPU", 0)
        worked = max(0.0, self.now - running.works_from)
        self._worked += worked * (running.ticket.resources.get("GPU", 0) or running.ticket.resources["CPU"])

    def _retire(self, node: _Node) -> None:
        idle = node in self._nodes and not node.trials
        if idle and self.now - node.idle_since >= self.site.idle_seconds - TINY:
            self._remove(node)

    def _remove(self, node: _Node) -> None:
        self._nodes.remove(node)
        self._node_seconds += self.now - node.wished_at

    def _lose(self, node: _Node) -> None:
        """A node goes with its trials; a cluster of fixed size gets another, as a spot request does."""
        if node not in self._nodes:
            return
        for running in list(node.trials.values()):
            training_id = running.ticket.training.training_id
            worked = max(0.0, self.now - running.works_from)
            self._left[training_id] -= worked // self.times.checkpoint * self.times.checkpoint
            self._lost += 1
            self._leave(node, running)
            self._at(self.now + self.site.notice_seconds, lambda lost=training_id: self._notice(lost))
        self._remove(node)
        if not self.site.grows:
            self._booting += 1
            wished_at = self.now
            self._at(self.now + self.site.boot_seconds, lambda: self._boot(wished_at))

    def _notice(self, training_id: str) -> None:
        wait = self.queue.failed(training_id, "preempted")
        if wait is not None:
            self._at(self.now + wait, self._place)


def _shape(ticket: Ticket) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(ticket.resources.items()))
