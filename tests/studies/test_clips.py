"""The study of other people's clips: its plans and a small sweep, on a folder that a real Ray has indexed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import rac_ray
from rac_ray import Resources, Where
from rac_ray.api import ledger_of
from rac_ray.data.manifest import read_split
from rac_ray.data.parquet_checks import NAME_COLUMN
from rac_ray.data.parquet_rows import COLUMNS
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.results import load
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.clips import ClipGrid, ClipStudy
from rac_ray.sweep.outcomes import Results
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.resources import Pricing
from rac_ray.training.task import Counts
from tests.data.parquet_clips import PARTS, SHAPE, Row, by_pandas, rows_of, write_folder
from tests.records import record_of

GRID = ClipGrid(
    source="day",
    models=("cnn3d",),
    hidden_units=(2,),
    seeds=(0, 1),
    recipe=Recipe(learning_rate=0.02, batch_size=4, max_epochs=12, patience=12),
    num_frames=SHAPE[0],
    frame_size=SHAPE[2],
)

NO_PROBE = Resources(num_cpus=2, pricing=Pricing(seconds=0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of three writers, in a folder that nobody may write to."""
    folder = write_folder(tmp_path_factory.mktemp("theirs") / "clips", rows_of())
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o555 if place.is_dir() else 0o444)
    return folder


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Where:
    own = tmp_path_factory.mktemp("own")
    return Where(str(own / "results"), str(own / "data"))


@pytest.fixture(scope="module")
def ran(local_ray: None, folder: Path, where: Where) -> Results:
    return rac_ray.run(study_of(folder), where=where, resources=NO_PROBE, say=lambda _line: None)


@pytest.fixture(scope="module")
def data(ran: Results, where: Where) -> Storage:
    """With the index that the sweep has made."""
    return Storage.at(where.data or "")


def study_of(folder: Path, **changes: Any) -> ClipStudy:
    return ClipStudy("theirs", {"all": replace(GRID, clips=str(folder), **changes)}, "all")


def planned(folder: Path, data: Storage, asked: dict[str, Any] | None = None, **changes: Any) -> Plan:
    return make_plan(study_of(folder, **changes), "all", str(folder.parent / "results"), data.root, asked, None, "32")


def provided(rows: list[Row], folder: Path, **changes: Any) -> Plan:
    """A plan on these rows, written and indexed."""
    by_pandas(rows, folder / "clips/all.parquet")
    study, data = study_of(folder / "clips", **changes), Storage.at(folder / "data")
    study.provide(study.presets["all"], data, lambda _line: None)
    return planned(folder / "clips", data, **changes)


def test_a_sweep_learns_and_is_asked_about_all_domains(ran: Results, folder: Path, where: Where) -> None:
    assert ran.stopped == ""
    tables = load(f"{where.storage}/theirs")
    assert tables.trials["state"].tolist() == ["done", "done"]
    found = tables.evaluations.groupby("target")["clips"].first().to_dict()
    assert found == {"day": 4, "fog": 2, "night": 6}
    assert tables.evaluations["top1"].to_numpy().mean() > 0.9
    assert set(tables.predictions.query("target == 'fog'")["clip_id"]) == {"fog/test/c000", "fog/test/c001"}
    assert not list(Path(where.data or "").rglob("*.parquet"))
    assert rac_ray.run(study_of(folder), where=where, say=lambda _line: None).counts["done"] == 2


def test_a_plan_by_hand(folder: Path, data: Storage) -> None:
    plan = planned(folder, data)
    assert [task.training.name for task in plan.tasks] == ["cnn3d h=2 day seed=0", "cnn3d h=2 day seed=1"]
    task = plan.tasks[0]
    assert [(e.part, e.role) for e in task.evaluations] == [
        ("day/val", "source_val"), ("day/test", "source_test"), ("fog/test", "target"), ("night/test", "target"),
    ]  # fmt: skip
    assert task.counts == Counts(
        8, 4, {part: PARTS[part] for part in ("day/val", "day/test", "fog/test", "night/test")}
    )
    assert task.resident == 12 * int(np.prod(SHAPE))
    assert plan.study.class_names(2) == ["dark", "bright"]
    assert plan.study.about(plan.parts[0].grid, data) == {"classes": "dark, bright"}


def test_clips_of_a_report_come_from_the_files(ran: Results, folder: Path, where: Where, data: Storage) -> None:
    ledger = ledger_of(study_of(folder), "all", where)
    found = [ledger.record(task.training_id) for task in planned(folder, data).tasks]
    records = [record for record in found if record]
    assert [record.dataset for record in records] == 2 * [
        {
            "kind": "parquet_clips",
            "format": 1,
            "clip_shape": list(SHAPE),
            "classes": ["dark", "bright"],
            "data": data.root,
        }
    ]
    clips = read_split(data, "night/test")
    shown = study_of(folder).clips(records)("night/test/c003")
    np.testing.assert_array_equal(shown, clips.frames[3].transpose(0, 2, 3, 1))
    with pytest.raises(BadInput, match="clip 'night/test/c009' is no longer in its data folder"):
        study_of(folder).clips(records)("night/test/c009")
    with pytest.raises(BadInput, match="has other clips of fog/test now than those on which the trials were tested"):
        study_of(folder).clips([replace_content(records[0], "fog/test")])


def replace_content(record: Record, part: str) -> Record:
    """A record of a trial that was asked about other clips."""
    return msgspec.structs.replace(record, content={**record.content, part: "other"})


def test_grey_clips_are_shown_without_their_channel(local_ray: None, tmp_path: Path) -> None:
    grey = (8, 1, 16, 16)
    plan = provided(rows_of({"day/train": 4, "day/val": 4, "night/test": 4}, grey), tmp_path, channels=1)
    task, part, data = plan.tasks[0], plan.parts[0], Storage.at(tmp_path / "data")
    content = dict(plan.study.content(part.grid, data, plan.tasks))
    record = record_of(task, content=content, dataset=plan.study.made_from(part.grid, data, task))
    shown = plan.study.clips([record])("night/test/c001")
    np.testing.assert_array_equal(shown, read_split(data, "night/test").frames[1, :, 0])
    assert task.subject.build()(torch.zeros(2, *grey)).shape == (2, 2)
    record = msgspec.structs.replace(record, classes=2)
    assert plan.study.built(record)(torch.zeros(2, *grey)).shape == (2, 2)


def test_the_place_of_clips_and_other_domains_leave_trainings_alone(
    folder: Path, data: Storage, tmp_path: Path
) -> None:
    moved = provided([row for row in rows_of() if row["domain"] != "fog"], tmp_path)
    here = planned(folder, data)
    assert [task.training_id for task in moved.tasks] == [task.training_id for task in here.tasks]
    assert set(moved.tasks[0].evaluations) < set(here.tasks[0].evaluations)


def test_a_source_needs_no_test_clips_of_its_own(local_ray: None, tmp_path: Path) -> None:
    plan = provided(rows_of({"day/train": 4, "day/val": 4, "night/test": 4}), tmp_path)
    assert [e.part for e in plan.tasks[0].evaluations] == ["day/val", "night/test"]


@pytest.mark.parametrize(
    ("parts", "changes", "message"),
    [
        ({"day/train": 4, "day/val": 4}, {"source": "dusk"}, "unknown source domain 'dusk'; valid: day"),
        ({"day/train": 4, "day/test": 4}, {}, r"source domain 'day' has no clips of split 'val' \(.*/clips has day/t"),
        ({"day/val": 4, "day/test": 4}, {}, "source domain 'day' has no clips of split 'train'"),
        (
            {"day/train": 4, "day/val": 4, "fog/val": 2, "night/test": 2},
            {"targets": ("fog",)},
            "unknown target domain with test clips 'fog'; valid: night",
        ),
        ({"day/train": 1, "day/val": 4}, {}, "day/train has no clip of label 1; valid: labels 0, 1 and so on, two or"),
    ],
)
def test_folders_that_lack_what_is_asked_are_named(
    tmp_path: Path, parts: dict[str, int], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        provided(rows_of(parts), tmp_path, **changes)


def test_labels_that_the_source_does_not_have_are_named(tmp_path: Path) -> None:
    rows = rows_of({"day/train": 4, "day/val": 4, "night/test": 4})
    row = next(number for number, row in enumerate(rows) if row["domain"] == "night")
    other = [*rows[:row], {**rows[row], "label": 7, "label_name": "dim"}, *rows[row + 1 :]]
    message = rf"clips/all\.parquet row {row}, column 'label': 7 of night/test; valid: 0 to 1, those of day/train"
    with pytest.raises(BadInput, match=message):
        provided(other, tmp_path)
    gap = [{**row, "label": 2 * row["label"]} for row in rows]
    with pytest.raises(BadInput, match="day/train has no clip of label 1; valid: labels 0, 1 and so on"):
        provided(gap, tmp_path)


def test_what_is_not_indexed_yet_is_named(folder: Path, data: Storage, tmp_path: Path) -> None:
    message = f"has no index of '{folder}' yet; the verb `run` makes it"
    with pytest.raises(BadInput, match=message):
        planned(folder, Storage.at(tmp_path))
    with pytest.raises(BadInput, match=message):
        planned(folder, data, num_frames=16)
    with pytest.raises(BadInput, match=f"has no index of '{tmp_path}' yet"):
        planned(folder, data, {"clips": str(tmp_path)})
    with pytest.raises(BadInput, match="unknown source domain 'dusk'; valid: day, fog, night"):
        planned(folder, data, {"source": "dusk"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_frames": 0}, "num_frames is 0; valid: 1 or more"),
        ({"channels": 2}, "channels is 2; valid: 1 or 3"),
    ],
)
def test_bad_grids_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(GRID, **changes)


def test_bad_options_are_named_before_a_file_is_read() -> None:
    with pytest.raises(BadInput, match="unknown model 'mine'; valid: convlstm, cnn3d"):
        study_of(Path("nowhere")).narrowed(GRID, {"models": ["mine"]})
    assert [option.name for option in ClipStudy.options] == [
        "clips", "source", "targets", "models", "hidden_units", "seeds",
    ]  # fmt: skip


def test_the_documented_script_is_a_study(repository: Path) -> None:
    page = (repository / "examples/own_videos/README.md").read_text()
    script = re.findall(r"```python\n(from rac_ray.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(script[0], names)
    study = names["STUDY"]
    assert study.narrowed(study.presets["all"], {"seeds": [3]}).clip_shape == (16, 3, 64, 64)
    assert all(f"| `{column}` |" in page for column in (*COLUMNS, NAME_COLUMN))
