"""Which view of a preset has its folder of results, and which has one of its own."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rac_ray.sweep.only import Only
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.remembered import OPTIONS, apart, last_options, remember_options
from tests.sweep import tiny_sweep
from tests.sweep.tiny_sweep import GRID, study_of

SEEDS = [*GRID.seeds]
RAN = {"learning_rate": [0.01, 0.03], "digits": "/sets/emnist"}


def plan_of(folder: Path, only: str = "", precision: str = "32", **asked: Any) -> Plan:
    grid = replace(GRID, hidden_units=(2, 4))
    given: dict[str, Any] = {"only": Only.parse(only)} if only else {}
    return tiny_sweep.plan_of(grid, folder / "results", folder / "data", asked=asked, precision=precision, **given)


def folder_of(plan: Plan) -> str:
    """That of its results, below the preset's."""
    return plan.outputs.root.removeprefix(plan.folder.root).removeprefix("/")


def test_what_is_kept_is_what_narrows_no_grid(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    remember_options(plan, {**RAN, "seeds": [1], "models": ("cnn3d",), "hidden_units": None})
    assert last_options(study_of(GRID), "all", str(tmp_path / "results")) == {**RAN, "precision": "32"}


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({}, ""),
        ({"seeds": SEEDS, "hidden_units": [2, 4]}, ""),
        ({"seeds": [1]}, "only-seeds-1"),
        ({"hidden_units": (2,), "seeds": [0, 1]}, "only-hidden_units-2-seeds-0-1"),
        ({"seeds": [*SEEDS, 3]}, "only-seeds-0-1-2-3"),
        ({"only": "seed<=1"}, "only-seed-1"),
        ({"seeds": [0, 1], "only": "seed<=1"}, "only-seeds-0-1-seed-1"),
    ],
    ids=str,
)
def test_other_trials_than_the_presets_have_a_folder_of_their_own(
    asked: dict[str, Any], name: str, tmp_path: Path
) -> None:
    found = folder_of(plan_of(tmp_path, **asked))
    assert re.sub("-[0-9a-f]{6}$", "", found) == name


def test_the_same_view_has_the_same_folder_and_another_one_another(tmp_path: Path) -> None:
    asked: tuple[dict[str, Any], ...] = ({"seeds": [1], "hidden_units": [2]}, {"hidden_units": (2,), "seeds": (1,)})
    same = {folder_of(plan_of(tmp_path, **each)) for each in asked}
    others = {folder_of(plan_of(tmp_path, only=only)) for only in ("seed<=1", "seed=1")}
    assert (len(same), len(others), len(same | others)) == (1, 2, 3)


def test_options_that_the_last_run_had_are_no_view_of_their_own(tmp_path: Path) -> None:
    """A run's results lie in the preset's folder with whatever recipes it had; other recipes than those do not."""
    first = plan_of(tmp_path, learning_rate=[0.01, 0.03])
    assert apart(first) == [], "nobody has run anything else"
    remember_options(first, first.asked)
    assert apart(plan_of(tmp_path, learning_rate=[0.01, 0.03])) == []
    assert apart(plan_of(tmp_path, learning_rate=(0.01,))) == ["learning_rate=0.01"]
    half = plan_of(tmp_path, precision="bf16-mixed", learning_rate=[0.01, 0.03])
    assert apart(half) == ["precision=bf16-mixed"]
    assert folder_of(half).startswith("only-precision-bf16-mixed-")
    assert [path.name for path in (tmp_path / "results/tiny/all").iterdir()] == [OPTIONS]
