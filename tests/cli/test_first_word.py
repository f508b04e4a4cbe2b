"""What is said before anything is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rac_ray.cli.first_word import begun

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "run: loading"),
        ("--preset demo", "run: loading"),
        ("plan --preset demo", "plan: loading"),
        ("status --json", "status: loading"),
        ("statsu", ""),
        ("cancel", ""),
        ("run --help", ""),
        ("--version", ""),
    ],
)
def test_of_a_script(command: str, said: str) -> None:
    assert begun(command.split()) == said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", ""),
        ("ts run --preset demo", "run: loading"),
        ("ts --preset demo", "run: loading"),
        ("ts results", "results: loading"),
        ("results results/ts_grid --json", "results: loading"),
        ("data generate x", ""),
        ("doctor", ""),
        ("date", ""),
        ("ts", ""),
        ("--help", ""),
        ("ts plan --help-all", ""),
        ("__complete bash ts run", ""),
    ],
)
def test_of_rac_ray(command: str, said: str) -> None:
    assert begun(command.split(), nouns=1) == said


def test_it_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    """Nor does it touch what a program reads."""
    loads = "import sys; import rac_ray.cli; assert not {'numpy', 'cyclopts', 'pyarrow'} & set(sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", loads], env=environment, check=True)
    for entry in ("import sweep_main; sweep_main(None)", "import main; main()"):
        arguments = ["ts", "status"] if "main()" in entry else ["status"]
        done = subprocess.run(
            [sys.executable, "-c", f"from rac_ray.cli {entry}", *arguments, "--storage", "", "--bad"],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == ""
        assert done.stderr.splitlines()[0] == "status: loading"
