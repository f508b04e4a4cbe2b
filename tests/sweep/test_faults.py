"""Faults injected for real. After each: nothing finished is trained again, nothing is missing from the table, and the
table is that of an undisturbed run, to the bit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rac_ray.results import load
from rac_ray.store.ledger import Ledger
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.packing import Packing
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import Trainable, run_plan
from rac_ray.training.watchdog import StallLimits
from tests.records import register
from tests.sweep import faults
from tests.sweep.tiny_sweep import tiny_plan

pytestmark = pytest.mark.usefixtures("local_ray")

ROOT = Path(__file__).parents[2]
SCRIPT = [sys.executable, "-m", "tests.sweep.tiny_sweep"]
AT_ONCE = Resources(pause=0.1)
LOCAL = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def undisturbed(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_plan(tiny_plan(folder), AT_ONCE, lambda _line: None) == ""
    return folder


@pytest.fixture
def folder(undisturbed: Path, tmp_path: Path) -> Path:
    """A new folder with the same data."""
    shutil.copytree(undisturbed / "data", tmp_path / "data")
    return tmp_path


def science(folder: Path, plan: Plan) -> dict[str, pd.DataFrame]:
    """A plan's tables in a folder, without what the clock and the machine decide."""
    tables = load(folder / "results/tiny", plan.tasks)
    timed = ["seconds_to_first_step", "seconds_training", "seconds_evaluation", "seconds_total", "finished_at"]
    return {
        "trials": tables.trials.drop(columns=timed),
        "epochs": tables.epochs.drop(columns=["seconds", "loader_wait_share"]),
        "evaluations": tables.evaluations,
        "predictions": tables.predictions,
    }


def assert_as_undisturbed(plan: Plan, folder: Path, undisturbed: Path) -> None:
    found, expected = science(folder, plan), science(undisturbed, plan)
    assert found["trials"]["state"].tolist() == ["done"] * len(plan.trials)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame, check_exact=True)


def run(plan: Plan, trainable: Trainable, resources: Resources = AT_ONCE) -> list[str]:
    lines: list[str] = []
    run_plan(plan, resources, lines.append, trainable)
    return lines


def records(folder: Path) -> dict[str, bytes]:
    """Of what is done: a training that was not evaluated yet has a record without evaluations."""
    found = {path.parent.name: path.read_bytes() for path in (folder / "results/tiny/trials").glob("*/record.json")}
    return {training_id: content for training_id, content in found.items() if json.loads(content)["evaluations"]}


def states_of(plan: Plan) -> set[str]:
    return set(plan.states(plan.entries(), None).values())


def only_failure(ledger: Ledger, training_id: str) -> dict[str, Any]:
    (failure,) = ledger.failures(training_id)
    return failure


@pytest.mark.slow
def test_a_worker_that_sleeps_for_ever(folder: Path, undisturbed: Path) -> None:
    plan = tiny_plan(folder, seeds=(0,))
    lines = run(plan, faults.sleeps_for_ever, Resources(pause=0.1, stall=StallLimits(factor=20, floor_seconds=4)))
    for task in plan.tasks:
        failure = only_failure(plan.ledger, task.training_id)
        assert (failure["class"], failure["retry"]) == ("stalled", True)
        assert failure["reason"].startswith("no step for ")
        assert "in nap_without_end" in failure["traceback"], "the stack dump says where it slept"
    assert sum("failed" in line and "stalled: no step for" in line and "again in 0 s" in line for line in lines) == 1
    assert_as_undisturbed(plan, folder, undisturbed)


@pytest.mark.slow
def test_gpu_memory_that_runs_out(folder: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lowered: list[Any] = []
    lower = Packing.lower
    monkeypatch.setattr(Packing, "lower", lambda self, which: (lowered.append(which), lower(self, which)))
    plan = tiny_plan(folder, seeds=(0,))
    run(plan, faults.runs_out_of_gpu_memory)
    failures = [only_failure(plan.ledger, task.training_id) for task in plan.tasks]
    assert {failure["class"] for failure in failures} == {"out of memory"}
    assert "CUDA out of memory" in failures[0]["reason"]
    assert any("CUDA out of memory" in line for line in failures[0]["log_tail"])
    assert lowered == ["timesformer1 h=2"]
    assert_as_undisturbed(plan, folder, undisturbed)


def test_a_trial_process_that_is_killed(folder: Path, undisturbed: Path) -> None:
    """With no budget for the code at all: a lost process does not use it up."""
    plan = tiny_plan(folder, seeds=(0,))
    lines = run(plan, faults.kills_itself, Resources(pause=0.1, budgets=Budgets(code=0)))
    failures = [only_failure(plan.ledger, task.training_id) for task in plan.tasks]
    assert {failure["class"] for failure in failures} == {"preempted"}
    assert sum(", attempt 2" in line for line in lines) == 1
    assert_as_undisturbed(plan, folder, undisturbed)


def test_a_trial_process_that_is_killed_goes_on_after_its_last_epoch(folder: Path, undisturbed: Path) -> None:
    """The attempt that goes on says so at once, and the record has the seconds of both."""
    plan = tiny_plan(folder, seeds=(0,))
    lines = run(plan, faults.kills_itself_after_an_epoch_of_two_steps)
    assert sum(" resume " in line and "after epoch 1 of 3" in line for line in lines) == 1
    tables = load(folder / "results/tiny", plan.tasks)
    trained, total = tables.trials[["seconds_training", "seconds_total"]].to_numpy().ravel()
    assert 1 < sum(tables.epochs["seconds"]) <= trained < total
    assert_as_undisturbed(plan, folder, undisturbed)


@pytest.mark.slow
def test_a_bug_that_goes_away_and_one_without_a_budget(folder: Path, undisturbed: Path) -> None:
    plan = tiny_plan(folder, seeds=(0,))
    lines = run(plan, faults.has_a_bug, Resources(pause=0.1, budgets=Budgets(code=0)))
    assert any("FAILED" in line and "code: KeyError: 'a bug that goes away'; given up" in line for line in lines)
    assert load(folder / "results/tiny").trials["state"].tolist() == ["failed"]
    assert not any(" start " in line for line in run(plan, faults.has_a_bug)), "what was given up stays given up"
    plan = tiny_plan(folder, seeds=(0, 1))
    lines = run(plan, faults.has_a_bug)
    assert sum(", attempt 2" in line for line in lines) == 1
    assert load(folder / "results/tiny").trials["state"].tolist() == ["failed", "done"]
    assert run_plan(replace(plan, retry_failed=True), AT_ONCE, lambda _line: None) == ""
    assert_as_undisturbed(plan, folder, undisturbed)


@pytest.mark.slow
def test_a_clock_that_jumps(folder: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the trials' processes and in the driver's: a day back, two days forward."""
    real, began = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() + (faults.DAY if time.monotonic() - began > 8 else -faults.DAY))
    plan = tiny_plan(folder, seeds=(0,))
    lines = run(plan, faults.lives_through_a_jump_of_the_clock)
    monkeypatch.undo()
    assert sum(" done   " in line for line in lines) == 1
    assert not any("failed 1" in line for line in lines)
    for seconds in load(folder / "results/tiny").trials[["seconds_training", "seconds_total"]].to_numpy().ravel():
        assert 0 < seconds < 60
    assert_as_undisturbed(plan, folder, undisturbed)


@pytest.mark.slow
def test_a_truncated_record_checkpoint_and_shard(folder: Path, undisturbed: Path) -> None:
    assert run_plan(tiny_plan(folder), AT_ONCE, lambda _line: None) == ""
    plan = tiny_plan(folder)
    first, second, third = (Path(plan.ledger.folder(task.training_id).root) for task in plan.tasks)
    before = records(folder)
    truncate(first / "record.json")
    (second / "record.json").unlink()
    shutil.copy(second / "best.ckpt", second / "last.ckpt")
    truncate(second / "last.ckpt")
    truncate(folder / "data/2dot/train-00000-of-00001.parquet")
    lines = run(plan, faults.run_task)
    assert sum(" start " in line for line in lines) == 3, "two trials, one of them twice"
    assert any("2dot/train-00000-of-00001.parquet is damaged; it is made again" in line for line in lines)
    assert any("data: DamagedCheckpoint: last.ckpt cannot be read and was dropped" in line for line in lines)
    assert records(folder)[third.name] == before[third.name]
    assert_as_undisturbed(plan, folder, undisturbed)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def start_tiny(folder: Path, *fault: str) -> subprocess.Popen[str]:
    command = [*SCRIPT, str(folder), *fault]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | LOCAL, stdout=subprocess.PIPE, text=True)


def wait_until(driver: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition() and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


KILLS = ["before the first record", "between two records", "while a record is written", "before an evaluation"]


@pytest.mark.parametrize(
    "moment", [KILLS[1], *(pytest.param(kill, marks=pytest.mark.slow) for kill in (KILLS[0], *KILLS[2:]))]
)
def test_sigkill_of_the_driver_and_then_the_same_command(moment: str, folder: Path, undisturbed: Path) -> None:
    trials = folder / "results/tiny/trials"
    fault = ["kills_the_driver_while_the_record_is_written"] if moment == KILLS[2] else []
    with start_tiny(folder, *fault) as driver:
        if moment == KILLS[0]:
            wait_until(driver, lambda: any(trials.glob("*/attempt.json")))
        elif moment == KILLS[1]:
            wait_until(driver, lambda: bool(records(folder)))
        elif moment == KILLS[3]:
            wait_until(driver, lambda: any(trials.glob("*/record.json")))
        if not fault:
            os.kill(driver.pid, signal.SIGKILL)
        assert driver.wait(120) == -signal.SIGKILL
    time.sleep(2)  # what the orphans still finish is finished
    survived = records(folder)
    assert len(survived) < 3
    if fault:
        assert survived == {}
        assert list(trials.glob("*/record.json.tmp-*")), "killed while the record was written"
    plan = tiny_plan(folder)
    lines = run(plan, faults.run_task)
    assert sum(" start " in line for line in lines) == 3 - len(survived)
    assert {key: record for key, record in records(folder).items() if key in survived} == survived
    assert_as_undisturbed(plan, folder, undisturbed)


@pytest.mark.slow
def test_two_drivers_at_once(folder: Path, undisturbed: Path) -> None:
    with start_tiny(folder) as first:
        wait_until(first, lambda: (folder / "results/tiny/driver.json").exists())
        command = [*SCRIPT, str(folder)]
        second = subprocess.run(command, cwd=ROOT, env=os.environ | LOCAL, capture_output=True, text=True, check=False)
        assert first.stdout
        assert "3 trials planned = 3 done + 0 failed + 0 running + 0 pending" in first.stdout.read()
        assert first.wait(60) == 0
    assert second.returncode == 4, second.stdout + second.stderr
    assert second.stderr.startswith(f"error: {folder}/results/tiny is held by ")
    assert f"(process {first.pid}, since " in second.stderr
    assert " start " not in second.stdout
    assert_as_undisturbed(tiny_plan(folder), folder, undisturbed)


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """Results on a tmpfs of 60 MB."""
    place = folder / "results"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.slow
def test_a_disk_that_is_nearly_full_stops_the_sweep_before_a_trial_fails(small_disk: Path, folder: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(45_000_000))
    plan = tiny_plan(folder)
    lines: list[str] = []
    reason = run_plan(plan, AT_ONCE, lines.append)
    assert "MB left and 21 MB are kept free; make room and give the same command again" in reason
    assert f"stopped: {reason}" in lines
    assert not any(" start " in line for line in lines)
    ballast.unlink()
    assert run_plan(plan, AT_ONCE, lines.append) == ""
    assert states_of(plan) == {"done"}


@pytest.mark.slow
def test_a_disk_that_fills_up_while_a_trial_writes(
    small_disk: Path, folder: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial is no failure: it waits for room, and so does the sweep."""
    from rac_ray.sweep import runner

    monkeypatch.setattr(runner, "no_room", lambda *_: "")
    plan = tiny_plan(folder)
    register(plan.ledger, plan.tasks)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if " start " in line:
            fill(small_disk)

    reason = run_plan(plan, AT_ONCE, say)
    assert reason.endswith("is full; make room and give the same command again")
    assert "failed" not in states_of(plan)
    assert any(" + 0 failed + 0 running + " in line for line in lines)
    for ballast in small_disk.glob("ballast-*"):
        ballast.unlink()
    monkeypatch.undo()
    assert run_plan(plan, AT_ONCE, lambda _line: None) == ""
    assert_as_undisturbed(plan, folder, undisturbed)


def fill(disk: Path) -> None:
    try:
        with (disk / f"ballast-{time.monotonic_ns()}").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
    except OSError:
        return
