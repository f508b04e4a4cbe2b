"""A real sweep with loggers: killed in the middle and taken up again, then logged once more from its records."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rac_ray.cli import sweep_main
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.session import RAY_ENVIRONMENT
from tests.loggers.targets import QUIET, mlflow_server, tensorboard_points
from tests.loggers.test_mlflow import points, runs_of
from tests.sweep.tiny_sweep import GRID, QUICK, study_of

EPOCHS = 40
STUDY = study_of(
    replace(GRID, seeds=(0, 1), recipes={"timesformer1": replace(QUICK, max_epochs=EPOCHS, patience=EPOCHS)})
)
SECONDS = 300
ROOT = Path(__file__).parents[2]


def sweep(*arguments: str) -> None:
    """The command line of the sweep; ends the process."""
    sweep_main(STUDY, arguments)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The sweep in a process of its own, and whatever that starts; killed at the end."""
    script = "import sys; from tests.loggers.test_sweep import sweep; sweep(*sys.argv[1:])"
    environment = {**os.environ, **RAY_ENVIRONMENT, **QUIET, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    where = ["--storage", str(folder / "results"), "--data", str(folder / "data")]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments, *where],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Validation top-1 by the id of the training, as TensorBoard has it."""
    found = tensorboard_points(folder / "results/tensorboard")
    return {
        path.rpartition("-")[2]: tags["curves/val_top1"] for path, tags in found.items() if "curves/val_top1" in tags
    }


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["1", "2"])
def test_a_sweep_that_is_killed_and_taken_up_again_has_each_point_once(stack: str, tmp_path: Path) -> None:
    with mlflow_server(tmp_path) as address:
        run = [
            "run",
            "--num-cpus",
            "2",
            "--probe-seconds",
            "0",
            "--stack",
            stack,
            "--log",
            f"tensorboard,mlflow={address}",
        ]
        with running(tmp_path, *run) as first:
            wait_for(lambda: any(len(told) > 5 for told in curves(tmp_path).values()))
            first.send_signal(signal.SIGKILL)
            assert first.wait() == -signal.SIGKILL
        before = curves(tmp_path)
        assert any(5 < len(told) < EPOCHS for told in before.values())
        with running(tmp_path, *run) as second:
            said, _ = second.communicate(timeout=SECONDS)
        assert second.returncode == 0, said
        assert "logging stopped" not in said
        require_each_point_once(tmp_path, address)
        logged = ["results", "--json", "--log", f"tensorboard,mlflow={address}"]
        files = sorted((tmp_path / "results/tensorboard").rglob("events.out.*"))
        with running(tmp_path, *logged) as third:
            said, _ = third.communicate(timeout=SECONDS)
        assert json.loads(said)["logged"] == {"tensorboard": "", "mlflow": ""}
        require_each_point_once(tmp_path, address)
        assert sorted((tmp_path / "results/tensorboard").rglob("events.out.*")) == files


def require_each_point_once(folder: Path, address: str) -> None:
    """What both have is what the records have, with the final values and the figures."""
    ledger = Ledger(Storage.at(folder / "results/tiny"))
    board, runs = curves(folder), runs_of(address, "tiny")
    assert len(ledger.training_ids()) == 2
    assert set(board) == set(ledger.training_ids())
    for training_id in ledger.training_ids():
        record = ledger.record(training_id)
        assert record is not None
        run = runs[record.training().name]
        expected = list(enumerate(ledger.table(training_id, "epochs")["val_top1"].to_pylist()))
        assert len(expected) == record.epochs
        assert board[training_id] == expected  # eighths, which single precision has exactly
        assert points(address, run, "val_top1") == expected
        assert run["info"]["status"] == "FINISHED"
        for each in record.evaluations_of(record.trials[0]):
            assert points(address, run, f"final/top1/{each.part}") == [(0, each.top1)]
    assert set(runs) == {"tiny all", *(run for run in runs if run.startswith("timesformer1"))}
    assert (folder / "results/tensorboard/tiny/all/sweep/report.html").exists()
    assert (folder / "artifacts").exists()
    pictures = {path.name for path in (folder / "artifacts").rglob("*.png")}
    assert pictures == {path.name for path in (folder / "results/tiny/all/figures").glob("*.png")} != set()
