"""What runs next: missing trials, longest first, failed ones again after a pause, until budgets are spent.

A plain state machine without Ray. Every planned trial is in exactly one state, always:
planned = done + failed + running + pending.
"""

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from rac_ray.ledger import STATES, State
from rac_ray.sweep.failures import Budgets, back_off
from rac_ray.sweep.packing import Packing
from rac_ray.trial import Trial


@dataclass(frozen=True)
class Ticket:
    """One attempt at a trial, ready to run."""

    trial: Trial
    attempt: int
    resources: Mapping[str, float]
    """What the attempt asks Ray for."""


@dataclass
class Queue:
    """The trials of a run and where each one stands."""

    states: dict[str, State]
    """By trial id, of every planned trial."""
    waiting: Iterable[Trial]
    """Trials to run, in the order in which they should."""
    packing: Packing
    budgets: Budgets = field(default_factory=Budgets)
    attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts made in earlier runs, by trial id."""
    pause: float = 5.0
    """Seconds before a failed trial's first retry; doubled for each further one."""
    at_once: int | None = None
    """Attempts that run side by side at most; None: Ray's room decides."""
    guard: Callable[[], str] = lambda: ""
    """Asked before each trial: a reason to stop, or nothing."""
    clock: Callable[[], float] = time.monotonic
    stop_reason: str = ""

    def __post_init__(self) -> None:
        self._trials = {trial.trial_id: trial for trial in self.waiting}
        self._rank = {trial_id: rank for rank, trial_id in enumerate(self._trials)}
        self._ready = [(rank, trial_id) for trial_id, rank in self._rank.items()]
        self._later: list[tuple[float, int, str]] = []
        self._handed: set[str] = set()
        self._attempt = dict(self.attempts)
        self._failures: Counter[tuple[str, str]] = Counter()

    def counts(self) -> dict[State, int]:
        """How many planned trials are in each state."""
        found = Counter(self.states.values())
        counts: dict[State, int] = {state: found[state] for state in STATES}
        assert sum(counts.values()) == len(self.states)
        return counts

    @property
    def trials(self) -> list[Trial]:
        """The trials that this run is to run, in their order."""
        return list(self._trials.values())

    @property
    def over(self) -> bool:
        """Whether nothing will be handed out any more."""
        return bool(self.stop_reason) or not (self._ready or self._later or self._handed or self.running)

    @property
    def running(self) -> list[str]:
        """Ids of the trials that run."""
        return [trial_id for trial_id, state in self.states.items() if state == "running"]

    def stop(self, reason: str) -> None:
        """Hand out nothing any more; the first reason counts."""
        self.stop_reason = self.stop_reason or reason

    def next(self) -> Ticket | None:
        """The next attempt; None when there is none yet, or none any more."""
        while self._later and self._later[0][0] <= self.clock():
            _, rank, trial_id = heapq.heappop(self._later)
            heapq.heappush(self._ready, (rank, trial_id))
        if not self._ready or self.over or self._full:
            return None
        if reason := self.guard():
            self.stop(reason)
            return None
        _, trial_id = heapq.heappop(self._ready)
        trial = self._trials[trial_id]
        self._handed.add(trial_id)
        self._attempt[trial_id] = self._attempt.get(trial_id, 0) + 1
        resources = self.packing.resources((trial.model, trial.hidden_units))
        return Ticket(trial, self._attempt[trial_id], resources)

    @property
    def _full(self) -> bool:
        return self.at_once is not None and len(self._handed) + len(self.running) >= self.at_once

    def started(self, trial_id: str) -> None:
        """Its process runs."""
        self._handed.discard(trial_id)
        self.states[trial_id] = "running"

    def done(self, trial_id: str) -> None:
        """It has a record."""
        self._handed.discard(trial_id)
        self.states[trial_id] = "done"

    def interrupted(self, trial_id: str) -> None:
        """It was stopped through no fault of its own, and waits for the next run."""
        self._handed.discard(trial_id)
        self.states[trial_id] = "pending"

    def failed(self, trial_id: str, failure_class: str) -> float | None:
        """Its attempt failed: seconds until the next one, or None when the budget of that class is spent."""
        self._handed.discard(trial_id)
        trial = self._trials[trial_id]
        if failure_class == "out of memory":
            self.packing.lower((trial.model, trial.hidden_units))
        self._failures[trial_id, failure_class] += 1
        count = self._failures[trial_id, failure_class]
        if count > self.budgets.of(failure_class):
            self.states[trial_id] = "failed"
            return None
        self.states[trial_id] = "pending"
        wait = back_off(count, self.pause)
        heapq.heappush(self._later, (self.clock() + wait, self._rank[trial_id], trial_id))
        return wait
