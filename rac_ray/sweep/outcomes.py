"""What each verb comes to: typed values, with their lines for people, their JSON and their exit code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rac_ray.counted import counted
from rac_ray.errors import DONE, FAILED, INTERRUPTED, UNFINISHED
from rac_ray.store.entry import STATES, State, added_up
from rac_ray.store.visible import visible

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis
    from rac_ray.sweep.price import Price
    from rac_ray.sweep.progress_file import Progress


BY_HAND = "interrupted"
"""Why a run stopped that got Ctrl-C or was told to terminate."""


class Outcome(Protocol):
    """What a verb returns."""

    @property
    def code(self) -> int:
        """Exit code (``errors``)."""
        ...

    def value(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        ...

    def lines(self) -> list[str]:
        """The outcome for people, line by line."""
        ...


@dataclass(frozen=True)
class TrialStatus:
    """The state of one planned trial."""

    trial_id: str
    training_id: str
    name: str
    state: State
    reason: str
    attempts: int
    bytes: int


class Counted:
    """Something with trials, each in exactly one state."""

    trials: Sequence[TrialStatus]

    @property
    def counts(self) -> dict[str, int]:
        """Planned trials, and how many are in each state; that these add up is asserted."""
        states = [trial.state for trial in self.trials]
        counts: dict[str, int] = {state: states.count(state) for state in STATES}
        assert len(states) == sum(counts.values()), (len(states), counts)
        return {"planned": len(states), **counts}

    @property
    def invariant(self) -> str:
        """``16 trials planned = 15 done + 1 failed + 0 running + 0 pending``."""
        return f"{counted(len(self.trials), 'trial')} planned = {added_up(self.counts)}"


def exit_code(counts: Mapping[str, int]) -> int:
    """0 all that can be is done, 1 some failed, 3 some have not run."""
    return FAILED if counts["failed"] else UNFINISHED if counts["running"] + counts["pending"] else DONE


@dataclass(frozen=True)
class Planned(Counted):
    """What a run would do, and what it would cost."""

    trials: Sequence[TrialStatus]
    trainings: tuple[int, int]
    """Missing, and all."""
    about: Mapping[str, str]
    """Facts about the data, as in ``{"classes": "dive, jump"}``."""
    price: "Price"
    notes: Sequence[str] = ()
    searches: Sequence[str] = ()
    """Where each search for a recipe stands."""
    candidates: "Price | None" = None
    """The price of the candidates that have yet to run, if none is cut."""
    decisions: Sequence[str] = ()
    """What is added until claims are decided."""
    retried: Sequence[TrialStatus] | None = None
    """Trials that were given up and would run once more; None: those are left alone."""
    listed: bool = False
    """Whether its lines have one for each trial."""
    code: int = DONE

    def value(self) -> dict[str, Any]:
        rows = [asdict(trial) for trial in self.trials]
        of_searches = {"searches": [*self.searches]} if self.searches else {}
        of_searches |= {"candidates": self.candidates.as_dict()} if self.candidates else {}
        of_searches |= {"until_decided": [*self.decisions]} if self.decisions else {}
        of_searches |= {} if self.retried is None else {"retried": [trial.trial_id for trial in self.retried]}
        return {"trials": rows, "counts": self.counts, **self.about, "forecast": self.price.as_dict(), **of_searches}

    def lines(self) -> list[str]:
        missing, trainings = self.trainings
        serving = f"trainings missing: {missing} of {trainings}; each serves several trials"
        said = "".join(f"; {name}={text}" for name, text in self.about.items())
        first = [f"if no candidate is cut: {line}" for line in self.candidates.lines()] if self.candidates else []
        return [
            f"{self.invariant}{said}",
            *([serving] if trainings != len(self.trials) else []),
            *self.searches,
            *first,
            *self.price.lines(),
            *self.decisions,
            *self.notes,
            *self._retries(),
            *([f"{trial.trial_id}  {trial.state:<8} {trial.name}" for trial in self.trials] if self.listed else []),
        ]

    def _retries(self) -> list[str]:
        if self.retried is None:
            return []
        lines = [f"would retry {trial.trial_id}  {trial.name}: {trial.reason}" for trial in self.retried]
        said = counted(len(lines), "trial was given up and would run", "trials were given up and would run")
        return [*lines, f"{said} once more"]


@dataclass(frozen=True)
class Status(Counted):
    """The state of a sweep and of each of its trials."""

    trials: Sequence[TrialStatus]
    driver: str | None
    """The process that drives it, and since when."""
    job: str | None
    """The Ray job that it was handed to, and where that stands."""
    verbose: bool = False
    searches: Sequence[str] = ()
    """Where each search for a recipe stands."""
    decisions: Sequence[str] = ()
    """Where a plan stands that adds seeds until its claims are decided."""
    progress: "Progress | None" = None
    """What the driver says of the trials that run."""

    @property
    def code(self) -> int:
        return exit_code(self.counts)

    def value(self) -> dict[str, Any]:
        rows = [asdict(trial) for trial in self.trials]
        of_searches = {"searches": [*self.searches]} if self.searches else {}
        of_searches |= {"until_decided": [*self.decisions]} if self.decisions else {}
        of_searches |= {"progress": asdict(self.progress)} if self.progress else {}
        return {"counts": self.counts, "driver": self.driver, "job": self.job, "trials": rows, **of_searches}

    def lines(self) -> list[str]:
        shown = ("running", "failed", "unreached")
        told = [trial for trial in self.trials if trial.state in shown or (self.verbose and trial.reason)]
        return [
            self.invariant,
            f"driver: {self.driver or 'none'}",
            *([f"job: {self.job}"] if self.job else []),
            *self.searches,
            *self.decisions,
            *([f"time left: {self.progress.time_left}"] if self.progress else []),
            *(f"{trial.trial_id}  {trial.state:<8} {trial.name}: {self._about(trial)}" for trial in told),
        ]

    def _about(self, trial: TrialStatus) -> str:
        going = self.progress.trainings.get(trial.training_id) if self.progress else None
        return f"{trial.reason}, {going.words}" if going and trial.state == "running" else trial.reason


@dataclass(frozen=True)
class Described:
    """Everything about one trial."""

    about: Mapping[str, Any]
    folder: str
    code: int = DONE

    def value(self) -> dict[str, Any]:
        return dict(self.about)

    def lines(self) -> list[str]:
        from rac_ray.sweep.explain import described

        return described(self.about, self.folder)


@dataclass(frozen=True)
class Wanted:
    """The results that are asked for beyond tables and figures."""

    verdict: bool = False
    """What the sweep says to each claim of the paper."""
    against: str | None = None
    """Set it beside a sweep: folder, capsule or reference."""
    report: bool = True
    """Write one HTML page, report.html, too; it opens offline."""
    capsule: str | None = None
    """Pack it all into this file, as in out.tar.zst."""
    capsule_weights: bool = False
    """Pack the weights of finished trials, too, so that who takes them in can evaluate them on further domains."""
    export: str | None = None
    """Write weights and cards into this folder, to share."""
    without_weights: bool = False
    """Export the cards alone."""


@dataclass(frozen=True)
class Results:
    """Tables, figures and whatever else was asked for of what is done."""

    analysis: "Analysis"
    folder: str
    """Folder that they were written to."""
    counts: Mapping[str, int]
    plain: Mapping[str, Any]
    text: Sequence[str]
    stopped: str = ""
    """Why the run before it stopped early."""
    retried: Sequence[str] | None = None
    """Ids of trials that had been given up, and that the run before it ran once more; None: they were left alone."""
    unlogged: bool = False
    """Whether a logger that was to have all of it stopped."""

    @property
    def code(self) -> int:
        if self.stopped == BY_HAND:
            return INTERRUPTED
        return FAILED if self.unlogged or self.plain.get("untold") else exit_code(self.counts)

    def value(self) -> dict[str, Any]:
        return {**self.plain, **({} if self.retried is None else {"retried": [*self.retried]})}

    def lines(self) -> list[str]:
        return list(self.text)


def as_text(outcome: Outcome, as_json: bool, indent: int | None = 1) -> str:
    """An outcome as text, in which nothing is a command to a terminal."""
    if as_json:
        return json.dumps(outcome.value(), indent=indent, default=str)
    return visible("\n".join(outcome.lines()))
