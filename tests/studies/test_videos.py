"""The study of one's own videos: its grid, and its plans on clips that a real Ray has decoded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rac_ray.data.feed import Opening
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.manifest import read_split
from rac_ray.data.subject import ShardSubject
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.models import MODELS
from rac_ray.store.storage import Storage
from rac_ray.studies.videos import VideoGrid, VideoStudy
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.training.task import Counts
from tests.records import record_of
from tests.studies.drawn_videos import draw_domain

GRID = VideoGrid(
    source="day",
    models=("cnn3d", "timesformer1"),
    hidden_units=(2,),
    seeds=(0, 1),
    recipe=Recipe(learning_rate=0.01, batch_size=4, max_epochs=2, patience=2),
    num_frames=8,
    frame_size=16,
    shares=(0.6, 0.2, 0.2),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for domain, per_class in (("day", 10), ("night", 2)):
        draw_domain(folder, domain, per_class)
    return folder


@pytest.fixture(scope="module")
def data(folder: Path, local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """The clips of the grid."""
    data = Storage.at(tmp_path_factory.mktemp("data"))
    study_of(folder).provide(replace(GRID, videos=str(folder)), data, lambda _line: None)
    return data


def study_of(folder: Path, **changes: Any) -> VideoStudy:
    return VideoStudy("mine", {"all": replace(GRID, videos=str(folder), **changes)}, "all")


def planned(folder: Path, data: Storage, asked: dict[str, Any] | None = None, **changes: Any) -> Plan:
    return make_plan(study_of(folder, **changes), "all", str(folder.parent / "results"), data.root, asked, None, "32")


def test_a_plan_by_hand(folder: Path, data: Storage) -> None:
    plan = planned(folder, data)
    assert [task.training.name for task in plan.tasks] == [
        "cnn3d h=2 day seed=0", "cnn3d h=2 day seed=1", "timesformer1 h=2 day seed=0", "timesformer1 h=2 day seed=1",
    ]  # fmt: skip
    task = plan.tasks[0]
    assert [(e.part, e.role) for e in task.evaluations] == [
        ("day/val", "source_val"), ("day/test", "source_test"), ("night/test", "target"),
    ]  # fmt: skip
    counts = task.counts
    assert counts.train + counts.val + counts.evaluated["day/test"] == 20
    assert counts == Counts(counts.train, counts.val, {**counts.evaluated, "day/val": counts.val, "night/test": 4})
    assert task.resident == (counts.train + counts.val) * 8 * 3 * 16 * 16
    assert plan.study.class_names(2) == ["left", "right"]
    assert plan.study.class_names(3) == ["0", "1", "2"]
    assert plan.study.about(plan.parts[0].grid, data) == {"classes": "left, right"}


def test_clips_reach_a_model_as_rgb(folder: Path, data: Storage) -> None:
    plan = planned(folder, data)
    subject = plan.tasks[0].subject
    assert isinstance(subject, ShardSubject)
    feeds = ClipFeeds(subject, Opening(0, 4))
    clips, labels = next(iter(feeds.val()))
    expected = read_split(data, "day/val")
    np.testing.assert_array_equal(clips.numpy(), expected.frames[: len(clips)])
    assert clips.shape[1:] == (8, 3, 16, 16)
    assert labels.tolist() == expected.labels[: len(labels)].tolist()
    asked = feeds.asked("night/test")
    assert asked.clip_ids[0] == "night/test/left/left000.mp4"
    assert next(iter(asked.batches))[0].shape == (4, 8, 3, 16, 16)
    assert subject.build()(subject.scaled(clips)).shape == (len(clips), 2)


def test_another_target_is_another_evaluation_of_the_same_trainings(
    folder: Path, data: Storage, tmp_path: Path
) -> None:
    more = tmp_path / "videos"
    more.mkdir()
    for domain in ("day", "night"):
        (more / domain).symlink_to(folder / domain)
    draw_domain(more, "fog", per_class=1)
    other = Storage.at(tmp_path / "data")
    study_of(more).provide(replace(GRID, videos=str(more)), other, lambda _line: None)
    before, after = planned(folder, data), planned(more, other)
    assert [task.training_id for task in before.tasks] == [task.training_id for task in after.tasks]
    old, new = (
        {e.evaluation_id(task.training_id, 0) for task in plan.tasks for e in task.evaluations}
        for plan in (before, after)
    )
    assert (len(old), len(new)) == (12, 16)
    assert old < new
    only = planned(more, other, {"targets": ["night"]})
    assert [e.part for e in only.tasks[0].evaluations] == ["day/val", "day/test", "night/test"]


def test_an_own_model_that_changes_under_its_name_is_another_training(
    folder: Path, data: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flat(hidden_units: int, **shape: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(8 * 3 * 16 * 16, shape["num_classes"]))

    monkeypatch.setitem(MODELS, "own", flat)
    first, again = (planned(folder, data, {"models": ["own"]}).trial_ids for _ in range(2))
    assert first == again
    assert len({*first, *planned(folder, data).trial_ids}) == 6
    monkeypatch.setitem(MODELS, "changed", lambda *_, **shape: nn.Sequential(flat(2, **shape), nn.Linear(2, 2)))
    changed = planned(folder, data, {"models": ["changed"]}).tasks[0].training
    assert replace(changed, model="own").training_id not in first


def test_clips_of_a_report_come_from_the_shards(folder: Path, data: Storage) -> None:
    plan = planned(folder, data)
    task = plan.tasks[0]
    content = dict(plan.study.content(plan.parts[0].grid, data, plan.tasks))
    record = record_of(task, content=content, dataset=plan.study.made_from(plan.parts[0].grid, data, task))
    clip_id, clips = "night/test/right/right001.mp4", read_split(data, "night/test")
    clip = plan.study.clips([record])(clip_id)
    np.testing.assert_array_equal(clip, clips.frames[clips.clip_ids.index(clip_id)].transpose(0, 2, 3, 1))
    with pytest.raises(BadInput, match=r"clip 'fog/test/left/left001\.mp4' is no longer in its data folder"):
        plan.study.clips([record])("fog/test/left/left001.mp4")
    other = record_of(task, content={**content, "night/test": "other"}, dataset=record.dataset)
    with pytest.raises(BadInput, match="has other clips of night/test now than those on which the trials were tested"):
        plan.study.clips([record, other])
    with pytest.raises(BadInput, match="does not say where its clips are"):
        plan.study.clips([record_of(task)])
    without_place = {name: value for name, value in (record.dataset or {}).items() if name != "data"}
    with pytest.raises(BadInput, match="does not say where its clips are"):
        plan.study.clips([record_of(task, content=content, dataset=without_place)])


def test_a_finished_model_is_built_again_for_clips_of_its_size(folder: Path, data: Storage) -> None:
    plan = planned(folder, data)
    task = plan.tasks[0]
    made = plan.study.made_from(plan.parts[0].grid, data, task)
    model = plan.study.built(record_of(task, dataset=made, classes=2))
    assert model(torch.zeros(3, 8, 3, 16, 16)).shape == (3, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_frames": 0}, "num_frames is 0; valid: 1 or more"),
        ({"shares": (0.5, 0.5, 0.0)}, r"shares of train, val and test are \(0.5, 0.5, 0.0\); valid: above 0"),
        ({"shares": (0.5, 0.5, 0.5)}, "valid: above 0, together 1"),
    ],
)
def test_bad_grids_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(GRID, **changes)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"models": ["mine"]}, f"unknown model 'mine'; valid: {', '.join(MODELS)}"),
        ({"hidden_units": [0]}, "hidden units are 0; valid: 1 to 65536"),
        ({"hidden_units": [3]}, "hidden units of a TimeSformer are 3; valid: even numbers"),
        ({"seeds": []}, "--seeds names nothing; give one value or more"),
    ],
)
def test_bad_options_are_named_before_a_video_is_decoded(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        study_of(Path("nowhere")).narrowed(GRID, asked)


def test_clips_that_a_model_would_pool_to_nothing_are_named() -> None:
    with pytest.raises(BadInput, match="clips for the 3D CNN have 4 frames of 16 pixels; valid: 8 or more of each"):
        study_of(Path("nowhere")).narrowed(replace(GRID, num_frames=4), {})


def test_what_is_not_decoded_yet_is_named(folder: Path, data: Storage, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no clips of day/train yet; the verb `run` makes them"):
        planned(folder, Storage.at(tmp_path))
    with pytest.raises(BadInput, match="has no clips of fog/test yet"):
        planned(folder, data, {"targets": ["fog"]})
    with pytest.raises(BadInput, match="has no clips of night/train yet"):
        planned(folder, data, {"source": "night"})
    with pytest.raises(BadInput, match=r"\d+ training clips do not fill one batch of 64"):
        planned(folder, data, recipe=Recipe())
