"""docs/troubleshooting.md: its commands run, its messages are the program's, its numbers are the defaults."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rac_ray.store import files
from rac_ray.sweep.failures import BACK_OFF_LIMIT, FAILURE_CLASSES, Budgets
from rac_ray.sweep.resources import Resources

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/troubleshooting.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
RUN_ELSEWHERE = ("python sweeps/ts_grid.py retry --preset demo",)
"""It trains: tests/cli/test_sweep.py does that with a tiny study."""
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TEXT.splitlines() if line.startswith("| ")]
MESSAGES = sorted({row[0].strip("`") for row in ROWS if "…" in row[0] and row[0].count("`") == 2})


def written(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a command prints in an empty folder."""
    program, *arguments = shlex.split(command)
    start = ["-m", "rac_ray.cli.command"] if program == "rac-ray" else [str(ROOT / arguments.pop(0))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.run(
        [sys.executable, *start, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in RUN_ELSEWHERE])
def test_its_commands_start_and_write_nothing(command: str, tmp_path: Path) -> None:
    done = written(command, tmp_path)
    code = {"rac-ray doctor": (0, 1), "rac-ray data verify": (2,), "python sweeps/ts_grid.py status": (3,)}
    expected = next((codes for start, codes in code.items() if command.startswith(start)), (0,))
    assert done.returncode in expected, done.stderr
    told = [line for line in done.stderr.splitlines() if not line.endswith(": loading")]
    assert [line.partition(": ")[0] for line in told] == ["error"] * (done.returncode == 2)
    assert bool(done.stdout) == (done.returncode != 2)
    assert list(tmp_path.iterdir()) == []


def said() -> list[str]:
    """Every text in the package, with … for what is filled in."""
    found = []
    for path in (ROOT / "rac_ray").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"%[.\d]*[sdf]", "…", node.value))
    return found


SAID = said()


@pytest.mark.parametrize("message", MESSAGES)
def test_its_messages_are_the_programs(message: str) -> None:
    """… stands for anything; in the program's words, for what is filled in."""
    pattern = re.compile(
        ".*".join(map(re.escape, message.split("…"))).replace("'resident'", "('resident'|…)"), re.DOTALL
    )
    fixed = [part for part in message.split("…") if part.strip("; ")]
    assert fixed, message
    assert any(pattern.search(text) for text in SAID), message


def test_it_has_messages_at_all() -> None:
    assert len(MESSAGES) >= 20


def test_every_class_of_failure_has_its_retries() -> None:
    rows = {row[0]: row[2] for row in ROWS if len(row) == 4}
    assert {name for name in rows if name != "class"} == {*FAILURE_CLASSES.values(), "code", "stalled"}
    for name in set(rows) - {"class"}:
        assert rows[name] == f"{Budgets().of(name)} (`--retry-{name.replace(' ', '-')}`)"
    assert f"is `--back-off` seconds ({Resources().pause:g}), doubled" in " ".join(TEXT.split())
    assert BACK_OFF_LIMIT == 300, "five minutes"
    assert "for 50 times the usual time, and at least 300 seconds" in TEXT
    assert (Resources().stall.factor, Resources().stall.floor_seconds) == (50, 300)


def test_files_of_a_trial_have_their_names() -> None:
    named = {
        row[0].strip("`, .") for row in ROWS if row[0].startswith(("`log", "`failure", "`attempt", "`last", "`record"))
    }
    there = {files.LOG, files.failure_file(1), files.ATTEMPT, files.LAST_CHECKPOINT, files.RECORD}
    assert {name.partition("`")[0] for name in named} == there
