import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import exit_code, measured, parsed
from benchmarks.gpu.sections import chosen
from rac_ray.errors import BadInput


def run(*arguments: str, repository: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)


def test_without_a_gpu_it_says_so_in_a_sentence(tmp_path: Path, repository: Path) -> None:
    done = run("--out", str(tmp_path / "out"), repository=repository)
    assert done.returncode == 3
    assert done.stderr == "no CUDA GPU is here; --device cpu rehearses the same at tiny sizes\n"
    assert not (tmp_path / "out").exists()


def test_a_wrong_device_is_bad_input() -> None:
    with pytest.raises(BadInput, match="tpu"):
        parsed(["--device", "tpu"])


def test_the_exit_code_tells_whether_all_was_done() -> None:
    done, dropped = {"outcome": "done"}, {"outcome": "dropped: 3 s are left, it needs 20"}
    assert exit_code([done], [{"ms": 1}]) == 0
    assert exit_code([done, dropped], []) == 1
    assert exit_code([done], [{"error": "RuntimeError: no"}]) == 1


def test_a_section_whose_time_is_over_is_ended(tmp_path: Path) -> None:
    """A second is not enough to import PyTorch."""
    (section,) = chosen(["packing"])
    options = parsed(["--device", "cpu"])
    assert measured(section, 1.0, 1, options, tmp_path / "rows.jsonl") == "stopped after 1 s"
    assert not (tmp_path / "rows.jsonl").exists()


def test_a_section_without_time_is_dropped_and_the_report_says_so(tmp_path: Path, repository: Path) -> None:
    arguments = ("--device", "cpu", "--out", str(tmp_path), "--sections", "fits", "--seconds", "9")
    assert run(*arguments, repository=repository).returncode == 1
    (outcome,) = json.loads((tmp_path / "gpu.json").read_text())["sections"]
    assert outcome["outcome"] == "dropped: 9 s are left, it needs 25"
    assert "| fits | dropped: 9 s are left, it needs 25 | 0 |" in (tmp_path / "gpu.md").read_text()


@pytest.mark.slow
def test_every_section_runs_on_a_cpu(tmp_path: Path, repository: Path) -> None:
    """A rehearsal of what a GPU will do, at tiny sizes: no row fails, no section is missing."""
    done = run("--device", "cpu", "--out", str(tmp_path), "--seconds", "1500", repository=repository)
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert [row for row in content["rows"] if "error" in row] == []
    assert {each["outcome"] for each in content["sections"]} == {"done"}
    assert done.returncode == 0, done.stderr
    assert {row["section"] for row in content["rows"]} == {each["name"] for each in content["sections"]}
    apart = [row["logits"] for row in content["rows"] if row.get("precision") == "fp32"]
    assert apart
    assert max(apart) < 1e-5
    graphs = [row for row in content["rows"] if row.get("kind") == "graphs"]
    assert {row["weights"] for row in graphs} == {0.0}
    stacks = [row for row in content["rows"] if row["section"] == "stacks"]
    assert {row["kind"] for row in stacks} == {"together", "one stops early", "interrupted", "one is not finite"}
    assert {row.get("weights", 0.0) for row in stacks} == {row.get("loss", 0.0) for row in stacks} == {0.0}
    assert all(row["val_top1_equal"] for row in stacks if "val_top1_equal" in row)
    early = [row for row in stacks if "epochs" in row]
    assert early
    assert all(len(set(row["epochs"])) > 1 and row["epochs"] == row["epochs_alone"] for row in early)
    trials = [(row["graphs"], row["seed"], row["stacked"]) for row in content["rows"] if "trial" in row]
    assert sorted(trials) == [(False, 42, 1), (True, 47, 2), (True, 53, 2), (True, 61, 1)]
    assert "| timesformer8 | 2 |" in (tmp_path / "gpu.md").read_text()
