"""The order of a run: missing trainings, longest first, failed ones again after a pause, until budgets are spent.

A plain state machine without Ray. Every planned training is in exactly one state, always:
planned = done + failed + running + pending.
"""

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from rac_ray.identity import Training
from rac_ray.store.entry import STATES, State
from rac_ray.sweep.failures import Budgets, back_off
from rac_ray.sweep.packing import Packing


@dataclass(frozen=True)
class Ticket:
    """One attempt at a training, ready to run, or at several of its seeds in one process."""

    training: Training
    attempt: int
    resources: Mapping[str, float]
    """What the attempt asks Ray for."""
    mates: Mapping[str, int] = field(default_factory=dict)
    """Further seeds of the training that are stacked with it: their attempts, by training id."""


@dataclass
class Queue:
    """The trainings of a run and where each one stands."""

    states: dict[str, State]
    """State of every planned training, by its id."""
    waiting: Iterable[Training]
    """Trainings to run, in the order in which they should."""
    packing: Packing
    budgets: Budgets = field(default_factory=Budgets)
    attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts made in earlier runs, by training id."""
    pause: float = 5.0
    """Seconds before a failed trial's first retry; doubled for each further one."""
    at_once: int | None = None
    """Attempts that run side by side at most; None: Ray's room decides."""
    guard: Callable[[], str] = lambda: ""
    """Asks, before each training, for a reason to stop; empty: there is none."""
    held: set[str] = field(default_factory=set)
    """Ids of trainings that wait for ``release``, too."""
    stacks: bool = False
    """Whether seeds of a training are handed out together, as many as the packing says."""
    clock: Callable[[], float] = time.monotonic
    stop_reason: str = ""

    def __post_init__(self) -> None:
        self._trainings = {training.training_id: training for training in self.waiting}
        self._kinds = {training.kind for training in self._trainings.values()}
        self._rank = {training_id: rank for rank, training_id in enumerate(self._trainings)}
        self._ready = [(rank, i) for i, rank in self._rank.items() if i not in self.held]
        self._later: list[tuple[float, int, str]] = []
        self._handed: set[str] = set()
        self._mates: set[str] = set()
        self._siblings: dict[str, list[str]] = {}
        for training in self._trainings.values() if self.stacks else ():
            self._siblings.setdefault(training.replicates_key, []).append(training.training_id)
        self._attempt = dict(self.attempts)
        self._failures: Counter[tuple[str, str]] = Counter()

    def counts(self) -> dict[State, int]:
        """How many planned trainings are in each state."""
        found = Counter(self.states.values())
        counts: dict[State, int] = {state: found[state] for state in STATES}
        assert sum(counts.values()) == len(self.states)
        return counts

    @property
    def trainings(self) -> list[Training]:
        """The trainings that this run is to run, in their order."""
        return list(self._trainings.values())

    @property
    def over(self) -> bool:
        """Whether nothing will be handed out any more."""
        return bool(self.stop_reason) or not (self._ready or self._later or self._handed or self.running or self.held)

    @property
    def running(self) -> list[str]:
        """Ids of those that run."""
        return [training_id for training_id, state in self.states.items() if state == "running"]

    @property
    def room(self) -> int:
        """Processes that run side by side, of the kind of which most fit."""
        return max((self.packing.at_once(kind) for kind in self._kinds), default=1)

    @property
    def ahead(self) -> bool:
        """Whether an attempt waits for its process, and as many wait or run as there is room for.

        So one waits at most where there is no room, and what it asks for is decided as late as can be; but processes of
        several nodes begin at the same time.
        """
        return bool(self._handed) and len((self._handed | set(self.running)) - self._mates) >= self.room

    def release(self, training_id: str) -> None:
        """Let a training run that was held."""
        self.held.discard(training_id)
        heapq.heappush(self._ready, (self._rank[training_id], training_id))

    def stop(self, reason: str) -> None:
        """Hand out nothing any more; the first reason counts."""
        self.stop_reason = self.stop_reason or reason

    def next(self) -> Ticket | None:
        """The next attempt; None when there is none yet, or none any more."""
        while self._later and self._later[0][0] <= self.clock():
            _, rank, training_id = heapq.heappop(self._later)
            heapq.heappush(self._ready, (rank, training_id))
        if not self._ready or self.over or self._full:
            return None
        if reason := self.guard():
            self.stop(reason)
            return None
        _, training_id = heapq.heappop(self._ready)
        training = self._trainings[training_id]
        mates = self._with(training) if self.stacks else []
        self._mates = self._mates - {training_id} | set(mates)
        attempts = {each: self._handed_out(each) for each in (training_id, *mates)}
        resources = self.packing.resources(training.kind)
        return Ticket(training, attempts.pop(training_id), resources, attempts)

    def _with(self, training: Training) -> list[str]:
        """Other seeds of a training that are ready, too, taken from those that are."""
        siblings = set(self._siblings[training.replicates_key])
        found = sorted(each for each in self._ready if each[1] in siblings)[: self.packing.members(training.kind) - 1]
        if found:
            self._ready = [each for each in self._ready if each not in found]
            heapq.heapify(self._ready)
        return [training_id for _, training_id in found]

    def _handed_out(self, training_id: str) -> int:
        """The number of an attempt that begins."""
        self._handed.add(training_id)
        self._attempt[training_id] = self._attempt.get(training_id, 0) + 1
        return self._attempt[training_id]

    @property
    def _full(self) -> bool:
        return self.at_once is not None and len(self._handed) + len(self.running) >= self.at_once

    def started(self, training_id: str) -> None:
        """Note that the process of a training runs."""
        self._handed.discard(training_id)
        self.states[training_id] = "running"

    def done(self, training_id: str) -> None:
        """Note that a training has a record."""
        self._handed.discard(training_id)
        self.states[training_id] = "done"

    def interrupted(self, training_id: str) -> None:
        """Note that a training was stopped through no fault of its own; it waits for the next run."""
        self._handed.discard(training_id)
        self.states[training_id] = "pending"

    def failed(self, training_id: str, failure_class: str) -> float | None:
        """Note that an attempt failed. Seconds until the next one; None when the budget of that class is spent."""
        self._handed.discard(training_id)
        training = self._trainings[training_id]
        if failure_class == "out of memory" and training_id not in self._mates:  # once for all of a stack
            self.packing.lower(training.kind)
        self._failures[training_id, failure_class] += 1
        count = self._failures[training_id, failure_class]
        if count > self.budgets.of(failure_class):
            self.states[training_id] = "failed"
            return None
        self.states[training_id] = "pending"
        wait = back_off(count, self.pause)
        heapq.heappush(self._later, (self.clock() + wait, self._rank[training_id], training_id))
        return wait
