"""Several listeners as one."""

from collections.abc import Callable, Mapping
from typing import Any

from rac_ray.identity import Training
from rac_ray.store.entry import State
from rac_ray.sweep.listening import Listeners


class Notes:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def state(self, training: Training, state: State) -> None:
        self.told.append((training.seed, state))

    def epoch(self, training: Training, row: Mapping[str, Any]) -> None:
        self.told.append((training.seed, row["epoch"]))

    def refresh(self) -> None:
        self.told.append(())


def test_each_is_told_everything_in_its_order(make_training: Callable[..., Training]) -> None:
    both = Notes(), Notes()
    everyone = Listeners(both)
    everyone.state(make_training(seed=3), "running")
    everyone.epoch(make_training(seed=3), {"epoch": 7})
    everyone.refresh()
    assert [each.told for each in both] == [[(3, "running"), (3, 7), ()]] * 2
