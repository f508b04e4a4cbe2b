"""What a logger is told, and what it has to do. Plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rac_ray.store.entry import State

Value = str | float | int | bool
"""Of a parameter."""


@dataclass(frozen=True)
class Sweep:
    """What runs are grouped by."""

    name: str
    """The study's, as in ``ts_grid``."""
    preset: str = ""
    """Empty: the whole folder of records."""

    @property
    def title(self) -> str:
        """Name of the run that has the sweep's figures: ``ts_grid demo``."""
        return f"{self.name} {self.preset}".strip()


@dataclass(frozen=True)
class Run:
    """What is to be told of one training, or a part of it."""

    key: str
    """The training's id. There is one run of it in a sweep, whoever writes it, and when."""
    name: str
    """``convlstm h=4 2dot seed=42``."""
    state: State
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """Model, size, source, seed and recipe; the same each time."""
    epochs: Sequence[Mapping[str, float]] = ()
    """Rows with ``epoch``, counted from 0, and the values of the curves in it; some or all of the epochs."""
    finals: Mapping[str, float] = field(default_factory=dict)
    """What the training came to: accuracies from 0 to 1, ratios, seconds, bytes."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Further facts for people: why it failed, on which machine it ran."""
    began: float | None = None
    """Seconds since 1970, where the record tells it."""
    ended: float | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is to come as things stand."""
        return self.state != "running"


class Logger(Protocol):
    """Brings what a library shows up to what is told.

    What is there already, by training, epoch and name, is not written again: a trial that goes on from a checkpoint
    tells some epochs twice, and so does whoever logs the same records twice.
    """

    def write(self, run: Run) -> None:
        """Write what of a run is not there yet. Whatever it raises stops this logger, and nothing else."""
        ...

    def attach(self, step: int, files: Mapping[str, Path]) -> None:
        """Keep the sweep's figures and report, by name, in the run of the sweep; ``step`` trials are over."""
        ...

    def close(self) -> None:
        """Write what is left in memory."""
        ...


class Make(Protocol):
    """How a logger is made: of what was said after ``=``, which may be empty, for a sweep."""

    def __call__(self, where: str, sweep: Sweep) -> Logger: ...
