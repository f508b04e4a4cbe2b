"""Many trivial trials through the real path of Tune: the driver stays small, the ledger quick."""

import time
from pathlib import Path

import psutil
import pytest

from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.sweep.faults import does_nothing
from tests.sweep.tiny_sweep import tiny_plan

pytestmark = pytest.mark.usefixtures("local_ray")

SCAN_LIMIT_S = 2.0
GROWTH_LIMIT_MB = 400
"""Of the driver between its 200th and its 2,000th trial. It is not flat: 292 to 312 MB were seen. Tune keeps each trial
and Ray each metric's series; the bound guards against worse."""


def run_trivial(folder: Path, trials: int) -> dict[str, float]:
    """Run so many trivial trials; seconds per trial, and the driver's megabytes after 200 and after all."""
    plan = tiny_plan(folder, seeds=tuple(range(trials)))
    driver = psutil.Process()
    done, megabytes, began = [0], {}, [0.0]

    def say(line: str) -> None:
        if " done   " in line:
            done[0] += 1
            began[0] = began[0] or time.monotonic()
            megabytes[done[0]] = driver.memory_info().rss / 1e6

    assert run_plan(plan, Resources(), say, does_nothing) == ""
    seconds = (time.monotonic() - began[0]) / (trials - 1)
    scanning = time.monotonic()
    states = plan.states(plan.entries(), None)
    scan = time.monotonic() - scanning
    assert set(states.values()) == {"done"}
    assert len(states) == trials
    figures = {"seconds_per_trial": seconds, "scan_seconds": scan, "mb_200": megabytes[min(200, trials)]}
    return {**figures, "mb_all": megabytes[trials]}


def test_a_hundred_trivial_trials(tmp_path: Path) -> None:
    figures = run_trivial(tmp_path, 100)
    assert figures["scan_seconds"] < SCAN_LIMIT_S
    assert figures["seconds_per_trial"] < 2


@pytest.mark.slow
def test_two_thousand_trivial_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run_trivial(tmp_path, 2000)
    with capsys.disabled():
        print("\n2,000 trivial trials:", {name: round(value, 3) for name, value in figures.items()})
    assert figures["scan_seconds"] < SCAN_LIMIT_S
    assert figures["mb_all"] - figures["mb_200"] < GROWTH_LIMIT_MB
