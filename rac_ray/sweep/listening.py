"""Whoever listens to a running sweep: its metrics, its loggers."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rac_ray.identity import Training
from rac_ray.store.entry import State


class Listener(Protocol):
    """Is told of each event in the driver's thread; must neither wait nor raise."""

    def state(self, training: Training, state: State) -> None:
        """A training is in a state from now on."""
        ...

    def epoch(self, training: Training, row: Mapping[str, Any]) -> None:
        """A training has finished an epoch; ``row`` is what it reported."""
        ...

    def refresh(self) -> None:
        """Time has passed; called often."""
        ...


class Listeners:
    """Several listeners as one."""

    def __init__(self, each: Sequence[Listener]) -> None:
        self.each = each

    def state(self, training: Training, state: State) -> None:
        for listener in self.each:
            listener.state(training, state)

    def epoch(self, training: Training, row: Mapping[str, Any]) -> None:
        for listener in self.each:
            listener.epoch(training, row)

    def refresh(self) -> None:
        for listener in self.each:
            listener.refresh()
