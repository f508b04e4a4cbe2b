"""The example, copied to an empty folder outside of the checkout, and run there with the installed package."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rac_ray.models import MODELS
from rac_ray.store.storage import Storage
from rac_ray.sweep.jobs import last_job, logs, wait
from tests.studies.drawn_videos import draw_domain

Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--preset", "quick")
NO_PROBE = (*QUICK, "--probe-seconds", "0")
MODEL = """
from torch import nn
from rac_ray.models import register

@register("flat")
class Flat(nn.Sequential):
    def __init__(self, hidden_units, *, num_frames, frame_size, channels, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(num_frames * channels * frame_size**2, num_classes))
"""


@pytest.fixture
def own(repository: Path, tmp_path: Path) -> Path:
    """An empty folder with the example and three domains of drawn videos."""
    assert not tmp_path.is_relative_to(repository)
    shutil.copy(repository / "examples/own_videos/own_videos.py", tmp_path)
    for domain, per_class in (("day", 20), ("night", 3), ("fog", 3)):
        draw_domain(tmp_path / "videos", domain, per_class)
    return tmp_path


@pytest.fixture
def run(own: Path) -> Run:
    """Runs a Python script in that folder, or with ``-m`` a module."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "RAC_RAY_STORAGE"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=own, env=environment, capture_output=True, text=True, check=False
        )

    return command


def test_the_example_is_one_short_file(repository: Path) -> None:
    assert sorted(path.name for path in (repository / "examples/own_videos").glob("*.*")) == [
        "README.md",
        "own_videos.py",
    ]
    assert len((repository / "examples/own_videos/own_videos.py").read_text().splitlines()) <= 80


def test_help_reads_well(run: Run) -> None:
    shown = run("own_videos.py", "--help")
    assert shown.returncode == 0
    for expected in (
        "Usage: own_videos.py COMMAND",
        "DOMAIN/CLASS/FILE.mp4",
        "python own_videos.py --videos",
        "status",
        "clean",
    ):
        assert expected in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("status",), "own_videos-all' has no clips of day/train yet; the verb `run` makes them"),
        (("--models", "mine"), f"unknown model 'mine'; valid: {', '.join(MODELS)}, average"),
        (("--videos", "nowhere"), "nowhere' is missing; valid: one that holds DOMAIN/CLASS/*.mp4"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str, run: Run) -> None:
    done = run("own_videos.py", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    begun, error = done.stderr.splitlines()
    assert begun in ("run: loading", "status: loading")
    assert error.startswith("error: ")
    assert sentence in error


def test_one_class_only_is_one_sentence(own: Path, run: Run) -> None:
    shutil.rmtree(own / "videos/day/left")
    done = run("own_videos.py", *QUICK)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "run: loading\nerror: domain 'day' has 1 folder of classes; valid: two or more\n"


def test_two_models_of_one_name_are_an_error(own: Path, run: Run) -> None:
    script = own / "own_videos.py"
    script.write_text(script.read_text().replace("\nALL = ", '\nregister("average")(nn.Identity)\nALL = '))
    done = run("own_videos.py", "status")
    assert done.returncode == 2
    said = "there are two models of the name 'average'; give one of them another name"
    assert done.stderr == f"status: loading\nerror: {said}\n"


@pytest.mark.slow
def test_the_example_from_the_first_run_to_a_new_target(own: Path, run: Run) -> None:
    first = run("own_videos.py", *NO_PROBE)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 trials planned = 2 done + 0 failed + 0 running + 0 pending" in first.stdout
    assert "Trained on day: accuracy in %" in first.stdout
    status = json.loads(run("own_videos.py", "status", "--json", *QUICK).stdout)
    assert status["counts"]["done"] == 2
    plan = run("own_videos.py", "plan", *NO_PROBE)
    assert (plan.returncode, "average h=4 day seed=42" in plan.stdout, "nothing is missing" in plan.stdout) == (
        0, True, True,
    )  # fmt: skip
    shown = run("own_videos.py", "results", *QUICK)
    assert shown.returncode == 0, shown.stderr
    folder = own / "results/own_videos/quick"
    assert "\nopen results/own_videos/quick/report.html\nnext: " in shown.stdout  # or it would say why it has no clips
    assert '"labels":["left","right"]' in (folder / "report.html").read_text()
    assert "R0lGOD" in (folder / "report.html").read_text()  # as GIFs begin in base64
    assert (folder / "figures/figure3-day.png").exists()
    others = run("-m", "rac_ray.cli.command", "results", "results/own_videos", "--json")
    assert others.returncode == 0, others.stderr
    assert {row["study"] for row in json.loads(others.stdout)["trials"]} == {"own_videos"}

    epochs = {path: path.read_bytes() for path in own.glob("results/own_videos/trials/*/epochs.parquet")}
    weights = {path: path.stat().st_mtime_ns for path in own.glob("results/own_videos/trials/*/best.ckpt")}
    draw_domain(own / "videos", "rain", 2)
    again = run("own_videos.py", *NO_PROBE)
    assert again.returncode == 0, again.stdout + again.stderr
    assert next(line for line in again.stdout.splitlines() if "videos/s" in line).startswith(
        "data 4/4 videos decoded: rain/test"
    )
    assert "rain test" in again.stdout
    assert len(epochs) == 2
    assert {path: path.read_bytes() for path in epochs} == epochs
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


@pytest.mark.slow
def test_a_model_in_a_module_beside_the_script_reaches_groups_of_workers(own: Path, run: Run) -> None:
    (own / "flat.py").write_text(MODEL)
    script = own / "own_videos.py"
    script.write_text(script.read_text().replace("from torch import", "import flat\nfrom torch import", 1))
    both = run("own_videos.py", *NO_PROBE, "--models", "average,flat", "--workers", "2", "--num-cpus", "4")
    assert both.returncode == 0, both.stdout + both.stderr
    assert "2 trials planned = 2 done + 0 failed" in both.stdout
    records = [json.loads(path.read_bytes()) for path in own.glob("results/own_videos/trials/*/record.json")]
    assert sorted((record["model"], record["workers"]) for record in records) == [("average", 2), ("flat", 2)]


@pytest.mark.slow
def test_the_example_is_submitted(own: Path, run: Run, dashboard: str) -> None:
    (own / "flat.py").write_text(MODEL)
    script = own / "own_videos.py"
    script.write_text(script.read_text().replace("from torch import", "import flat\nfrom torch import", 1))
    where = ("--videos", "videos", "--submit", dashboard)
    submitted = run("own_videos.py", "run", *NO_PROBE, "--models", "average,flat", *where)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    job = last_job(Storage.at(own / "results/own_videos"))
    assert job
    assert wait(job, 240) == "SUCCEEDED", logs(job)
    shown = run("own_videos.py", "status", *QUICK, "--models", "average,flat")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.startswith("2 trials planned = 2 done")
