"""A study of which only the name is known: its records are shown, and nothing is run."""

from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.other import OtherStudy


def test_another_study_cannot_be_run_from_here(tmp_path: Path) -> None:
    study = OtherStudy("own_videos")
    message = "study 'own_videos' is not installed here; use the verbs of its own script"
    with pytest.raises(BadInput, match=message):
        study.narrowed(None, {})
    with pytest.raises(BadInput, match=message):
        study.tasks(None, Storage.at(tmp_path), "32")
    with pytest.raises(BadInput, match=message):
        study.prepare(None, Storage.at(tmp_path), [], print)
