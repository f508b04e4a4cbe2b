import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.start import Times, first_step_at, repeated, summed
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.training.task import Task
from tests.records import SECONDS, finish, register

SAID = """import time: self [us] | cumulative | imported package
import time:       250 |        250 |   encodings.aliases
import time:      1750 |       2000 | encodings
"""


def test_imports_are_summed_by_their_own_time() -> None:
    assert summed(SAID) == pytest.approx(0.002)


def test_a_row_says_whether_the_median_meets_its_goal() -> None:
    times = Times([1.0, 3.0, 1.4], [0.5, 0.7, 0.6])
    assert times.row("help", 1.5, 0.25) == "| help | 1.40 | 1.00 to 3.00 | 0.60 | 0.25 | 1.5 | yes |"
    assert times.row("help", 1.3) == "| help | 1.40 | 1.00 to 3.00 | 0.60 | - | 1.3 | no |"


def test_runs_are_repeated() -> None:
    seconds = iter([2.0, 1.0])
    assert repeated(lambda: next(seconds), 2).wall == [2.0, 1.0]


def test_the_first_step_follows_the_beginning_of_the_attempt(tmp_path: Path, make_task: Callable[..., Task]) -> None:
    ledger, task = Ledger(Storage.at(tmp_path / "ts_grid")), make_task("cnn3d", 2)
    register(ledger, [task])
    ledger.begin(task.training_id, 1, "driver")
    os.utime(tmp_path / "ts_grid/trials" / task.training_id / "attempt.json", (1000.0, 1000.0))
    finish(ledger, task)
    assert first_step_at(ledger) == pytest.approx(1000.0 + SECONDS["to_first_step"])
