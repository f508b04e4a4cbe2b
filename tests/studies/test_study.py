"""What a study has that defines no more than it must."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from rac_ray.data.dataset import Say
from rac_ray.errors import BadInput
from rac_ray.identity import Training
from rac_ray.models import build_model
from rac_ray.store.storage import Storage
from rac_ray.studies.study import MissingData, Study
from rac_ray.sweep.axes import RECIPE_OPTIONS
from rac_ray.sweep.feeds import FEED_OPTION
from rac_ray.sweep.space import SEARCH_OPTIONS
from rac_ray.training.task import Task
from tests.records import record_of, task_of


class Least(Study):
    """Records its grid as it is."""

    name = "least"
    presets: Mapping[str, Any] = {"all": ()}
    default_preset = "all"

    def narrowed(self, grid: Any, asked: Mapping[str, Any]) -> Any:
        return grid

    def tasks(self, grid: Any, data: Storage, precision: str) -> list[Task]:
        return []

    def prepare(self, grid: Any, data: Storage, tasks: Sequence[Task], say: Say) -> None:
        """Nothing."""


def test_what_a_study_leaves_open_is_nothing_to_do(tmp_path: Path) -> None:
    study, data = Least(), Storage.at(tmp_path)
    assert (study.workers(None), study.provides(None), study.options) == (1, False, ())
    assert study.missing(None, data, []) == MissingData()
    assert (study.missing(None, data, []).seconds, study.missing(None, data, []).disk.high) == (0, 0)
    assert (study.about(None, data), study.content(None, data, []), study.notes(None, [])) == ({}, {}, [])
    assert study.data_folder("all") == "least-all"
    assert (study.every_variant, study.values(None), study.folder(None, data)) == ({}, {}, data)
    assert study.all_options == (FEED_OPTION, *RECIPE_OPTIONS, *SEARCH_OPTIONS)
    study.provide(None, data, print)
    assert list(tmp_path.iterdir()) == []


def test_a_study_without_its_three_functions_is_none() -> None:
    incomplete: Any = type("Incomplete", (Study,), {"name": "incomplete", "presets": {}, "default_preset": ""})
    with pytest.raises(TypeError, match=r"narrowed.*prepare.*tasks"):
        incomplete()


def test_a_finished_trainings_model_is_built_from_its_record(make_training) -> None:
    training: Training = make_training("cnn3d", 3)
    record = record_of(task_of(training), classes=7)
    built = Least().built(record)
    expected = build_model("cnn3d", 3, num_classes=7)
    assert {name: value.shape for name, value in built.state_dict().items()} == {
        name: value.shape for name, value in expected.state_dict().items()
    }
    assert built(torch.zeros(1, 20, 1, 64, 64)).shape == (1, 7)


def test_an_architecture_that_a_record_names_counts_more_than_its_models_name(make_training) -> None:
    """A study may call its models as it likes."""
    record = record_of(task_of(make_training("cnn3d", 3)), model="ours", options={"architecture": "cnn3d"})
    assert type(Least().built(record)) is type(build_model("cnn3d", 3))


def test_clips_that_cannot_be_had_again_are_told(make_training) -> None:
    record = record_of(task_of(make_training()))
    with pytest.raises(BadInput, match=r"^clips of least are not rendered again$"):
        Least().clips([record])
    with pytest.raises(BadInput, match=r"^trials of least cannot be trained again from their records$"):
        Least().again(record)
