"""Submit and leave: the real sweep on a real local Ray with its job server, and a laptop's verbs against it."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rac_ray.store.storage import Storage
from rac_ray.sweep.jobs import SubmittedJob, last_job, logs, wait


@pytest.fixture
def laptop(repository: Path, tmp_path: Path):
    """Runs the real command on one slice of the demo; the storage is what both sides see."""
    script = [sys.executable, str(repository / "sweeps/ts_grid.py")]

    def command(only: str, *arguments: str, by: list[str] = script) -> subprocess.CompletedProcess[str]:
        program = [*by, *arguments, "--preset", "demo"]
        places = ["--storage", str(tmp_path / "results")]
        grid = [] if arguments[0] == "cancel" else ["--only", only, "--data", str(tmp_path / "data")]
        command = [*program, *places, *grid]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return command


def job_in(folder: Path) -> SubmittedJob:
    job = last_job(Storage.at(folder / "results/ts_grid"))
    assert job
    return job


@pytest.mark.slow
def test_a_sweep_from_a_laptop(dashboard: str, laptop, tmp_path: Path) -> None:
    """Submitted, watched to its end, its results pulled: all through the real command."""
    one = "model=timesformer1,h=4,seed=42"
    submitted = laptop(one, "run", "--submit", dashboard, "--probe-seconds", "0")
    assert submitted.returncode == 0, submitted.stderr
    job = job_in(tmp_path)
    told, _, hint = submitted.stdout.partition("\n")
    assert told == f"submitted {job.job_id} to {dashboard}"
    watch = shlex.split(hint.removeprefix("watch it with: "))
    places = ["--storage", str(tmp_path / "results"), "--data", str(tmp_path / "data")]
    assert watch[2:] == ["status", "--preset", "demo", "--only", one, *places]
    assert wait(job, 240) == "SUCCEEDED", logs(job)
    shown = laptop(one, "status")
    assert shown.returncode == 0, shown.stdout
    assert shown.stdout == (
        "1 trial planned = 1 done + 0 failed + 0 running + 0 pending\ndriver: none\n"
        f"job: {job.job_id} at {dashboard}: SUCCEEDED\n"
    )
    copied = subprocess.run([sys.executable, *watch[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (watch[0], copied.stdout) == ("python", shown.stdout)
    results = laptop(one, "results", "--to", str(tmp_path / "local"))
    assert results.returncode == 0, results.stdout
    assert (tmp_path / "local/tables/evaluations.parquet").exists()


@pytest.mark.slow
def test_the_installed_command_is_submitted_without_a_folder(dashboard: str, laptop, tmp_path: Path) -> None:
    one, program = "model=timesformer1,h=4,seed=42", str(Path(sys.executable).with_name("rac-ray"))
    submission = ["run", "--submit", dashboard, "--probe-seconds", "0", "--max-epochs", "1"]
    submitted = laptop(one, *submission, by=[program, "ts"])
    assert submitted.returncode == 0, submitted.stderr
    job = job_in(tmp_path)
    assert job.entrypoint.startswith("rac-ray ts run --probe-seconds 0 --max-epochs 1 --preset demo --only ")
    assert wait(job, 240) == "SUCCEEDED", logs(job)
    watch = shlex.split(submitted.stdout.partition("\n")[2].removeprefix("watch it with: "))
    assert watch[:3] == ["rac-ray", "ts", "status"]
    shown = subprocess.run([program, *watch[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.stdout.startswith("1 trial planned = 1 done + 0 failed + 0 running + 0 pending\n")


OWN_SCRIPT = """
from dataclasses import replace

from my_trials import HERE
from rac_ray.cli import sweep_main
from rac_ray.studies.temporal_shape.grid import DEMO
from rac_ray.studies.temporal_shape.study import TemporalShape

GRID = replace(DEMO, models=("timesformer1",), hidden_units=(2,), seeds=(42,))

if __name__ == "__main__":
    print("beside:", sorted(path.name for path in HERE.parent.iterdir()))
    sweep_main(TemporalShape("mine", {"own": GRID}, "own"))
"""


@pytest.mark.slow
def test_a_script_of_ones_own_is_submitted_with_its_folder_only(dashboard: str, tmp_path: Path) -> None:
    """What it imports from its folder is there; what lies beside the folder is not."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/my_sweep.py").write_text(OWN_SCRIPT)
    (tmp_path / "home/my_trials.py").write_text("from pathlib import Path\n\nHERE = Path(__file__).parent\n")
    (tmp_path / "neighbour.txt").write_text("of no concern to the cluster")
    places = ["--storage", str(tmp_path / "results"), "--data", str(tmp_path / "data")]
    command = [sys.executable, "my_sweep.py", "--submit", dashboard, "--probe-seconds", "0", *places]
    submitted = subprocess.run(command, cwd=tmp_path / "home", capture_output=True, text=True, check=False)
    assert submitted.returncode == 0, submitted.stderr
    job = last_job(Storage.at(tmp_path / "results/mine"))
    assert job
    assert wait(job, 240) == "SUCCEEDED", logs(job)
    (seen,) = [line for line in logs(job).splitlines() if line.startswith("beside: ")]
    assert "neighbour.txt" not in seen
    assert "1 trial planned = 1 done + 0 failed + 0 running + 0 pending" in logs(job)


@pytest.mark.slow
def test_a_submitted_sweep_is_cancelled_and_submitted_again(dashboard: str, laptop, tmp_path: Path) -> None:
    two = "model=convlstm|timesformer1,h=4,seed=42"
    submission = ["run", "--submit", dashboard, "--probe-seconds", "0"]

    def counts() -> dict[str, int]:
        return json.loads(laptop(two, "status", "--json").stdout)["counts"]

    assert laptop(two, *submission).returncode == 0
    deadline = time.monotonic() + 90
    while not counts()["running"] and time.monotonic() < deadline:
        time.sleep(0.5)
    shown = laptop(two, "status")
    assert shown.returncode == 3, shown.stdout + logs(job_in(tmp_path))
    assert f" at {dashboard}: RUNNING" in shown.stdout, logs(job_in(tmp_path))
    cancelled = laptop(two, "cancel")
    assert (cancelled.returncode, "has stopped" in cancelled.stdout) == (0, True), cancelled.stdout + cancelled.stderr
    left = counts()
    assert (left["failed"], left["running"]) == (0, 0)
    assert left["pending"] >= 1
    assert laptop(two, *submission).returncode == 0
    job = job_in(tmp_path)
    assert wait(job, 240) == "SUCCEEDED", logs(job)
    assert counts() == {"planned": 2, "done": 2, "unreached": 0, "failed": 0, "running": 0, "pending": 0}
