"""The scripts that docs/extending.md tells readers to write, in a folder of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks

RUN = "python my_model.py --preset demo --models average,cnn3d"
"""As on the page."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model, _ = blocks("docs/extending.md", "python")
    (tmp_path / "my_model.py").write_text(model)
    return tmp_path


def printed(folder: Path, *arguments: str) -> str:
    program = [sys.executable, *RUN.split()[1:2], *arguments]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, f"{'plan' if 'plan' in arguments else 'run'}: loading\n"), (
        done.stdout + done.stderr
    )
    return done.stdout


def test_a_model_of_ones_own_is_planned(folder: Path) -> None:
    shown = printed(folder, "plan", "--list", "--probe-seconds", "0", *RUN.split()[2:])
    assert re.findall(r"pending  (\w+) h=4 2dot seed=\d+$", shown, re.MULTILINE) == ["average"] * 3 + ["cnn3d"] * 3


@pytest.mark.slow
def test_a_model_of_ones_own_is_trained_and_shown(folder: Path) -> None:
    shown = printed(
        folder, *RUN.split()[2:], "--seeds", "42", "--max-epochs", "1", "--num-cpus", "2", "--num-gpus", "0"
    )
    assert "2 trials planned = 2 done" in shown
    assert re.search(r"^\|? ?average ", shown, re.MULTILINE)


def test_a_claim_of_ones_own() -> None:
    _, claim = blocks("docs/extending.md", "python")
    names: dict[str, object] = {}
    exec(claim, names)
    assert [each.claim_id for each in names["WithMyClaim"]().claims].count("mine") == 1  # type: ignore[operator]
