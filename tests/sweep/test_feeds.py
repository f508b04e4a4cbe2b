"""How clips reach trainings: what may be asked, what follows from size and memory, and what is part of an id."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rac_ray.errors import BadInput
from rac_ray.studies.diving48.study import Diving48
from rac_ray.studies.temporal_shape.grid import DEMO, PRESETS
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.feeds import Room, bytes_by_key, delivery, reads_beside, tells, variant_of, way_of
from rac_ray.sweep.planner import Plan, make_plan

CLIP = 20 * 64 * 64
SMALL = replace(DEMO, models=("cnn3d",), seeds=(42,), train_clips=100, val_clips=10, test_clips=5)
STUDY = TemporalShape(presets={**PRESETS, "small": SMALL}, default_preset="small")


def planned(folder: Path, preset: str = "small", **asked: Any) -> Plan:
    return make_plan(STUDY, preset, f"{folder}/results", f"{folder}/data", asked)


def test_what_is_asked_is_a_variant_where_clips_can_be_drawn() -> None:
    assert variant_of(STUDY, ["resident"]) == variant_of(STUDY, ["streamed"]) == ["stored"]
    assert variant_of(STUDY, ["streamed", "online"]) == ["stored", "online"]
    assert variant_of(Diving48(), ["streamed"]) == []
    assert [delivery(asked) for asked in ([], ["online"], ["streamed", "online"])] == ["auto", "auto", "streamed"]


@pytest.mark.parametrize(
    ("study", "asked", "sentence"),
    [
        (STUDY, ["disk"], "unknown feed 'disk'; valid: auto, resident, streamed, stored, online"),
        (STUDY, ["resident", "streamed"], "feed names both resident and streamed; valid: one of them"),
        (STUDY, [], "--feed names nothing; give one value or more"),
        (Diving48(), ["online"], "unknown feed 'online'; valid: auto, resident, streamed"),
    ],
)
def test_other_words_are_named(study: Any, asked: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        variant_of(study, asked)


def test_the_size_of_clips_by_hand(tmp_path: Path) -> None:
    tasks, root = planned(tmp_path).tasks, f"{tmp_path}/data"
    sizes = bytes_by_key(tasks)
    assert sizes[f"{root}/2dot/train"] == 100 * CLIP
    assert sum(sizes.values()) == (100 + 10 + 5 * 5) * CLIP
    drawn = bytes_by_key(planned(tmp_path, feed=["online"]).tasks)
    assert sum(drawn.values()) == (10 + 5 * 5) * CLIP


def test_the_way_follows_from_size_and_memory(tmp_path: Path) -> None:
    tasks, size = planned(tmp_path).tasks, 135 * CLIP
    assert way_of(tasks, "auto", Room()) == "resident"
    assert way_of(tasks, "auto", Room(store=size / 0.7 + 1)) == "resident"
    assert way_of(tasks, "auto", Room(store=size / 0.7 - 2)) == "streamed"
    assert way_of(tasks, "auto", Room(memory=size * 2 - 1)) == "streamed"
    assert way_of(tasks, "auto", Room(gpu=110 * CLIP * 2 - 1)) == "streamed"
    assert way_of(tasks, "resident", Room(memory=size)) == "resident"
    assert way_of(tasks, "streamed", Room()) == "streamed"
    with pytest.raises(
        BadInput, match=r"the clips are 0.0 GB and the object store has 0.0 GB, .*; valid: auto, streamed"
    ):
        way_of(tasks, "resident", Room(store=size))


def test_a_drawn_training_is_another_one_and_a_streamed_one_is_not(tmp_path: Path) -> None:
    stored, streamed, drawn = (planned(tmp_path, feed=[way]).tasks[0] for way in ("stored", "streamed", "online"))
    assert stored.training_id == streamed.training_id != drawn.training_id
    assert drawn.training.variants["feed"] == "online"
    assert [each.content for each in drawn.evaluations] == [each.content for each in stored.evaluations]
    assert (tells(stored, "streamed"), tells(drawn, "resident")) == ("streamed", "online")
    assert not reads_beside([stored], "resident")
    assert reads_beside([stored], "streamed")
    assert reads_beside([drawn], "resident")
    both = planned(tmp_path, feed=["resident", "online"])
    assert [task.training_id for task in both.tasks] == [t.training_id for t in (*planned(tmp_path).tasks, drawn)][:2]
    assert len({task.training.name for task in both.tasks}) == 2


def test_the_preset_of_drawn_clips_is_the_papers_grid(tmp_path: Path) -> None:
    online, paper = planned(tmp_path, "online"), planned(tmp_path, "paper")
    assert len(online.tasks) == len(paper.tasks) == 400
    assert {task.training.variants["feed"] for task in online.tasks} == {"online"}
    assert planned(tmp_path, "paper", feed=["online"]).tasks[7].training_id == online.tasks[7].training_id
