"""How far the running trials of a sweep are, in one small file that its driver writes and ``status`` reads anywhere."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rac_ray.counted import duration
from rac_ray.identity import Training
from rac_ray.store.entry import State
from rac_ray.store.storage import Storage
from rac_ray.sweep.monitor import Monitor

PROGRESS = "progress.json"
"""In the sweep's folder, while it has a driver."""
DISK_SECONDS, STORE_SECONDS = 2.0, 20.0
"""How often it is written to a disk, and to an object store."""
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Going:
    """How far one training is."""

    epochs: int
    """Epochs that are over."""
    most_epochs: int
    best_val_top1: float | None
    """None before the first epoch is over."""
    most_seconds_left: float | None
    """Time of the epochs that are left if none is saved by early stopping; None while nobody knows."""
    evaluates: bool = False
    """Whether it was trained before, and is only evaluated."""

    @property
    def words(self) -> str:
        """``epoch 3/20, best 45.1%, at most 2.1 min left``."""
        if self.evaluates:
            return "is evaluated"
        best = [] if self.best_val_top1 is None else [f"best {100 * self.best_val_top1:.1f}%"]
        left = [] if self.most_seconds_left is None else [f"at most {duration(self.most_seconds_left)} left"]
        return ", ".join([f"epoch {self.epochs}/{self.most_epochs}", *best, *left])


@dataclass(frozen=True)
class Progress:
    """What a driver says of the sweep that it runs."""

    driver: str
    """Its token: what a dead one has left does not count."""
    time_left: str
    """Of the whole run, in words."""
    trainings: dict[str, Going]
    """Those that run, by id."""


def progress_of(sweep: Storage, driver: str) -> Progress | None:
    """What the living driver of a sweep has written last; None before it has."""
    found = sweep.read_as(PROGRESS, Progress)
    return found if found and found.driver == driver else None


class ProgressFile:
    """A listener that keeps the file; ``close`` takes it away."""

    def __init__(
        self, sweep: Storage, driver: str, monitor: Monitor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sweep, self._driver, self._monitor, self._clock = sweep, driver, monitor, clock
        self._pause = DISK_SECONDS if sweep.is_local else STORE_SECONDS
        self._due = clock() + self._pause

    def state(self, training: Training, state: State) -> None:
        """The monitor knows it."""

    def epoch(self, training: Training, row: Mapping[str, Any]) -> None:
        """The monitor knows it."""

    def refresh(self) -> None:
        """Write it if that is due. Never raises: a sweep does not need its progress to be seen."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + self._pause
        going = {
            training_id: Going(
                running.epochs,
                running.training.recipe.max_epochs,
                running.best if running.epochs else None,
                running.most_seconds_left if running.epochs else None,
                running.evaluates,
            )
            for training_id, running in self._monitor.running.items()
        }
        try:
            self._sweep.write_json(PROGRESS, asdict(Progress(self._driver, self._monitor.time_left(), going)))
        except OSError:
            _LOGGER.warning("the progress of %s cannot be written", self._sweep.root, exc_info=True)

    def close(self) -> None:
        """Take the file away. Never raises, either."""
        try:
            self._sweep.delete(PROGRESS)
        except OSError:
            _LOGGER.warning("the progress of %s cannot be deleted", self._sweep.root, exc_info=True)
