"""What a verb is asked: its folders, its part of the grid, and what it leaves to the preset's last run."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.identity import Trial
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep import planner
from rac_ray.sweep.asked import (
    STORAGE,
    Where,
    Which,
    as_last_run,
    ledger_of,
    planned,
    preset_of,
    trials_of,
    with_last,
)
from rac_ray.sweep.outcomes import TrialStatus
from rac_ray.sweep.remembered import remember_options
from tests.records import finish, give_up
from tests.sweep.tiny_sweep import GRID

STUDY = TemporalShape("tiny", {"all": GRID, "other": GRID}, "all")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, without a cluster's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(STORAGE, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("shared", "where", "places"),
    [
        ("", Where(), ("{here}/results", "{here}/data/tiny-all")),
        ("/shared", Where(), ("/shared/results", "/shared/data/tiny-all")),
        ("s3://bucket/x", Where(), ("s3://bucket/x/results", "s3://bucket/x/data/tiny-all")),
        ("/shared", Where(storage="r"), ("r", "/shared/data/tiny-all")),
        ("/shared", Where(data="s3://bucket/d"), ("/shared/results", "s3://bucket/d")),
        ("", Where("r", "d"), ("r", "d")),
    ],
)
def test_folders_are_given_or_below_the_shared_storage_or_here(
    shared: str, where: Where, places: tuple[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORAGE, shared)
    assert where.places(STUDY, "all") == tuple(place.format(here=folder) for place in places)


def test_a_preset_is_by_default_the_studys() -> None:
    assert (preset_of(STUDY, ""), preset_of(STUDY, "other")) == ("all", "other")
    with pytest.raises(BadInput, match=r"^unknown preset 'ALL'; did you mean all\? valid: all, other$"):
        ledger_of(STUDY, "ALL", Where())


def test_a_ledger_needs_no_plan(folder: Path) -> None:
    assert ledger_of(STUDY, "other", Where("r")).storage.root == f"{folder}/r/tiny"
    assert list(folder.iterdir()) == []


def precision_of(which: Which, here: str | None) -> str:
    return planned(STUDY, "all", Where(), which, {}, here).tasks[0].training.recipe.precision


def test_precision_is_what_is_asked_for_or_what_auto_means_here() -> None:
    assert precision_of(Which(precision="16-mixed"), "32") == "16-mixed"
    assert precision_of(Which(precision="auto"), "bf16-mixed") == "bf16-mixed"
    assert precision_of(Which(), "32") == "32"
    with pytest.raises(BadInput, match=r"^unknown precision '8'; valid: auto, 32, 16-mixed, bf16-mixed$"):
        precision_of(Which(precision="8"), "32")


def test_a_filter_narrows_and_an_empty_one_is_told() -> None:
    made = planned(STUDY, "all", Where(), Which(only="seed>=1"), {"seeds": [0, 1, 5]}, "32")
    assert [task.training.seed for task in made.tasks] == [1, 5]
    with pytest.raises(BadInput, match="--only"):
        planned(STUDY, "all", Where(), Which(only=""), {}, "32")


def test_what_is_left_open_is_as_in_the_presets_last_run() -> None:
    """Of the preset alone, on this storage alone; what is given counts more."""
    made = planned(STUDY, "other", Where(), Which(precision="bf16-mixed"), {"learning_rate": [0.1]}, None)
    remember_options(made, {"learning_rate": [0.1], "seeds": [2]})
    last = with_last(STUDY, "other", Where(), {})
    assert (last["digits"], last["learning_rate"], last["seeds"]) == (None, [0.1], None)
    given = with_last(STUDY, "other", Where(), {"digits": "/kannada", "seeds": [3]})
    assert {name: value for name, value in given.items() if value is not None} == {
        "seeds": [3], "digits": "/kannada", "learning_rate": [0.1],
    }  # fmt: skip
    assert set(with_last(STUDY, "all", Where(), {}).values()) == {None}
    assert set(with_last(STUDY, "other", Where("elsewhere"), {}).values()) == {None}
    again = as_last_run(STUDY, "other", Where(), Which(), {})
    assert [task.training_id for task in again.tasks] == [task.training_id for task in made.tasks]
    assert again.tasks[0].training.recipe.precision == "bf16-mixed"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'"x"', b"\xff\xfe"])
def test_options_of_a_last_run_that_cannot_be_read_are_none(
    content: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "local_gpus", lambda: 0)
    place = folder / "results/tiny/all"
    made = planned(STUDY, "all", Where(), Which(), {}, "16-mixed")
    remember_options(made, {})
    (remembered,) = place.iterdir()
    assert as_last_run(STUDY, "", Where(), Which(), {}).tasks[0].training.recipe.precision == "16-mixed"
    remembered.write_bytes(content)
    assert as_last_run(STUDY, "", Where(), Which(), {}).tasks[0].training.recipe.precision == "32"
    assert with_last(STUDY, "all", Where(), {})["digits"] is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("seeds", 5, "has '5' for --seeds (Expected `array`, got `int`); delete it, or give --seeds"),
        ("learning_rate", ["fast"], "has \"['fast']\" for --learning-rate (Expected `float | null`, got `str`"),
        ("digits", ["a"], "has \"['a']\" for --digits (Expected `str`, got `array`)"),
        ("tune", "learning_rate", "has 'learning_rate' for --tune (Expected `array`, got `str`)"),
        ("tune_trials", 2.5, "has '2.5' for --tune-trials (Expected `int`, got `float`)"),
        ("spec", {}, "has '{}' for --spec (Expected `array`, got `object`)"),
    ],
)
def test_options_that_no_run_has_remembered_are_named_until_others_are_given(
    name: str, value: object, said: str, folder: Path
) -> None:
    Storage.at(folder).write_json("results/tiny/all/options.json", {name: value, "precision": "32"})
    with pytest.raises(BadInput, match=f"^{re.escape(f'{folder}/results/tiny/all/options.json {said}')}"):
        with_last(STUDY, "all", Where(), {})
    assert with_last(STUDY, "all", Where(), {name: ["x"]})[name] == ["x"]


def test_each_planned_trial_has_a_row_also_where_two_share_a_training() -> None:
    made = planned(STUDY, "all", Where(), Which(), {}, "32")
    first, second, third = made.tasks
    levels = tuple(Trial(second.training, letter, level) for letter, level in (("a", 0.3), ("b", 0.4)))
    made = replace(made, tasks=(first, replace(second, trials=levels), third))
    finish(made.ledger, first)
    give_up(made.ledger, second.training_id, attempt=2)
    rows = trials_of(made, made.entries(), None)
    assert [(row.trial_id, row.training_id, row.state, row.reason) for row in rows] == [
        (first.training_id, first.training_id, "done", ""),
        *((level.trial_id, second.training_id, "failed", "code: broken") for level in levels),
        (third.training_id, third.training_id, "pending", "has not run"),
    ]
    size = sum(path.stat().st_size for path in Path(made.ledger.folder(first.training_id).root).iterdir())
    assert rows[0] == TrialStatus(first.training_id, first.training_id, first.training.name, "done", "", 1, size)
    assert [(row.attempts, row.bytes) for row in rows[1:]] == [(2, rows[1].bytes)] * 2 + [(0, 0)]
