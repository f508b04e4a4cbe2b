"""docs/leaderboard.md: every command is run in its order, on records that were written; once for real."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rac_ray.results.capsule import pack
from rac_ray.store.storage import Storage
from rac_ray.studies import study_named
from tests.docs.pages import ROOT, blocks
from tests.results.sweeps import write_sweep

PAGE = "docs/leaderboard.md"
COMMANDS = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
TRAINED = "python my_model.py --preset laptop --models average"
"""The one command that the quick test does not run: what it leaves is written."""
LEAVE = """
from my_model import TemporalShape
from rac_ray.sweep.planner import make_plan
from rac_ray.sweep.remembered import remember_options
from tests.records import record_of, register, written

plan = make_plan(TemporalShape(), "laptop", "results", "data/ts_grid-laptop", {"models": ("average",)}, precision="32")
remember_options(plan, {})
register(plan.ledger, plan.tasks)
for task in plan.tasks:
    targets = {each.part: 0.4 for each in task.evaluations if each.role == "target"}
    written(plan.ledger, record_of(task, {**{each.part: 0.8 for each in task.evaluations}, **targets}))
"""


def printed(command: str, folder: Path) -> str:
    """What a command prints with this environment's programs; its exit code is 0."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, command + done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sweeps of the paper's models, one as a capsule, and the script of docs/extending.md."""
    write_sweep(tmp_path / "results/ts_grid", {"cnn3d": 0.6, "convlstm": 0.5})
    theirs = write_sweep(tmp_path / "theirs", {"cnn3d": 0.6, "bag": 0.4})
    pack(Storage.at(theirs), tmp_path / "theirs.tar.zst", study_named("ts_grid"))
    (tmp_path / "my_model.py").write_text(blocks("docs/extending.md", "python")[0])
    return tmp_path


def test_all_commands_in_their_order(folder: Path) -> None:
    assert COMMANDS.count(TRAINED) == 1
    said = {}
    for command in COMMANDS:
        if command == TRAINED:
            (folder / "leave.py").write_text(LEAVE)
            printed("python leave.py", folder)
        else:
            said[command] = printed(command.removesuffix(" --retrain 2"), folder)
    ranked, packed, beside, checked, own = said.values()
    assert "6 trials of theirs.tar.zst are in a sweep that was named before it, and counted there." in ranked
    table = pd.read_parquet(folder / "leaderboard/tables/leaderboard.parquet")
    assert table[["model", "first_place", "last_place"]].to_numpy().tolist() == [
        ["cnn3d", 1, 1], ["convlstm", 2, 2], ["bag", 3, 3],
    ]  # fmt: skip
    assert "18 trials planned = 18 done" in packed
    assert "preset ts_grid laptop; capsule " in beside
    assert "average" in pd.read_csv(folder / "mine/tables/leaderboard.csv", comment="#")["model"].tolist()
    assert "12 of 12 finished trainings are what their ids and predictions say" in checked
    assert "18 of 18 finished trainings are what their ids and predictions say" in own
    named = set(re.findall(r"^\| `(leaderboard\.\w+)`", (ROOT / PAGE).read_text(), re.MULTILINE))
    assert {path.name for path in (folder / "leaderboard").iterdir()} == {*named, "tables"}


@pytest.mark.slow
def test_a_row_of_ones_own_is_trained_packed_and_checked(folder: Path) -> None:
    """With the demo's few clips and one epoch."""
    short = "--max-epochs 1 --num-cpus 2 --num-gpus 0 --probe-seconds 0"
    for command in COMMANDS[1:3]:
        printed(command.replace("laptop", "demo") + (f" {short}" if command == TRAINED else ""), folder)
    said = printed("python my_model.py replay average.tar.zst --retrain 1", folder)
    assert "3 of 3 finished trainings are what their ids and predictions say" in said
    assert re.search(r"^agrees average h=4 2dot seed=\d+: 100.00% of predictions the same", said, re.MULTILINE)
