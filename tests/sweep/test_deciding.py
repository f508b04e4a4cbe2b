"""Seeds that are added on a real Ray: what is trained, what is written, and that no interruption changes it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sweep import tiny_deciding
from tests.sweep.test_faults import LOCAL, ROOT


def written(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "results/tiny/decisions").glob("*.json")
    return json.loads(path.read_bytes())


def begun(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines if " start " in line]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    lines: list[str] = []
    assert tiny_deciding.decide(folder, say=lines.append).code == 0
    return folder, lines


def test_seeds_are_added_to_the_claim_that_is_open(undisturbed: tuple[Path, list[str]]) -> None:
    folder, lines = undisturbed
    record = written(folder)
    assert record["looks_at"] == [3, 5, 8]
    assert [(each["claim"], each["look"], each["seeds"]) for each in record["added"]] == [("rivals", 2, [3, 4])]
    assert len(begun(lines)) == 10
    assert set(record["added"][0]["trainings"]) == set(begun(lines)[6:]), "after all that was planned"
    assert [(look["claim"], look["look"]) for look in record["looks"]] == [("rivals", 1), ("bound", 1), ("rivals", 2)]


def test_a_second_run_adds_nothing(undisturbed: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(undisturbed[0], tmp_path / "copy"))
    lines: list[str] = []
    results = tiny_deciding.decide(folder, say=lines.append)
    assert begun(lines) == []
    assert written(folder) == written(undisturbed[0])
    assert results.counts["planned"] == results.counts["done"] == 10


@pytest.mark.slow
def test_killed_after_a_look_it_goes_on_by_the_same_schedule(
    undisturbed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """SIGKILL to the driver once it has said who gets seeds; whoever gives the command again gets the same."""
    shutil.copytree(undisturbed[0] / "data", tmp_path / "data")
    command = [sys.executable, "-m", "tests.sweep.tiny_deciding", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | LOCAL, stdout=subprocess.PIPE, text=True) as driver:
        said = driver.stdout
        assert said
        assert next((line for line in said if " gets seeds " in line), None)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait(60)
    before = written(tmp_path)
    lines: list[str] = []
    tiny_deciding.decide(tmp_path, say=lines.append)
    after = written(tmp_path)
    assert after == written(undisturbed[0])
    assert (after["looks_at"], after["weights"]) == (before["looks_at"], before["weights"])
    assert set(begun(lines)) <= set(after["added"][0]["trainings"]), "what was planned is not trained twice"
