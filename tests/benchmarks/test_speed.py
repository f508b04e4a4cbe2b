import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measure import Task
from benchmarks.speed import Broken, Others, environment, measured, parsed
from rac_ray.errors import BadInput
from rac_ray.sweep.session import WORKER_ENVIRONMENT


@pytest.mark.slow
def test_the_smallest_real_run(repository: Path, tmp_path: Path) -> None:
    small = "--models timesformer1 --hidden-units 2 --seconds 0.2 --clips 64 --batch-size 16 --device cpu"
    command = [sys.executable, "-m", "benchmarks.speed", *small.split(), "--json", str(tmp_path / "speed.json")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = [line for line in done.stdout.splitlines() if line.startswith("| timesformer1 | 2 |")]
    assert len(tables) == 5
    assert tables[-1].endswith("| yes |")
    content = json.loads((tmp_path / "speed.json").read_text())
    assert content["rates"]["flops"] > 1e8
    (measured_row,) = content["rows"]
    for side in (measured_row["plain"], measured_row["ours"], *measured_row["side_by_side"]):
        assert side["training"] > 0
        assert side["evaluation"] > 0
        assert side["training_steps"] >= 1
        assert side["peak_bytes"] > 1e8


@pytest.mark.parametrize("model", ["lstm", "vivit"])
def test_a_model_without_a_plain_one_beside_it_is_one_sentence(repository: Path, model: str) -> None:
    command = [sys.executable, "-m", "benchmarks.speed", "--models", f"cnn3d,{model}"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: unknown model '{model}'; valid: convlstm, cnn3d, timesformer1, timesformer8\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--hidden-units two", "hidden units 'two' is not an integer"),
        ("--hidden-units 3", "hidden units of a TimeSformer are 3; valid: even numbers"),
        ("--seconds -1", "--seconds is -1; valid: 0 or more"),
        ("--device tpu", "unknown device 'tpu'; valid: cpu, cuda"),
        ("--clips 32", "--clips is 32; valid: the batch size of 64 or more"),
        ("--batch-size 1", "--batch-size is 1; valid: 2 or more"),
    ],
)
def test_bad_options_are_named(arguments: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parsed(["--device", "cpu", *arguments.split()])


def test_only_our_side_has_the_sweeps_environment() -> None:
    given = {"HOME": "/home/somebody", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    assert environment(given, ours=False) == {"HOME": "/home/somebody"}
    assert environment(given, ours=True) == {"HOME": "/home/somebody", **WORKER_ENVIRONMENT}


def test_the_share_of_others_leaves_out_what_is_ours() -> None:
    others, ends = Others(), time.perf_counter() + 0.5
    while time.perf_counter() < ends:
        continue
    busy, own = others._seconds()
    assert 0 <= others.share() <= 1
    assert busy > own > 0.4


def test_a_process_that_ends_early_is_told(tmp_path: Path) -> None:
    task = Task("plain", "timesformer1", 2, 16, 0.0, "cpu", 1, str(tmp_path / "nowhere"))
    with pytest.raises(Broken, match=r"plain, timesformer1 h=2: ended with 1 and said: FileNotFoundError: .*nowhere"):
        measured([task])
