"""Sweeps that are entered: what folders and capsules say, and which trials can be compared."""

import hashlib
import json
from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.results.capsule import pack
from rac_ray.results.entered import Asked, Entered, Ground, apart, enter
from rac_ray.results.tables import Tables
from rac_ray.store.storage import Storage
from tests.results.studies import SHAPES, Shapes
from tests.results.sweeps import write_sweep


def shapes(_: Tables) -> Shapes:
    return SHAPES


def entered(*sources: Path) -> list[Entered]:
    return enter([str(source) for source in sources], shapes)


def test_a_folder_tells_its_presets_and_a_capsule_its_title_and_digest(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "ts_grid", {"cnn3d": 0.5})
    for preset in ("laptop", "demo"):
        Storage.at(folder).write_json(f"{preset}/options.json", {"precision": "32"})
    path = tmp_path / "theirs.tar.zst"
    pack(Storage.at(folder), path, SHAPES, title="shapes laptop")
    here, there = entered(folder, path)
    assert (here.name, here.preset, here.digest) == (str(folder), "demo, laptop", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert (there.name, there.preset, there.digest) == (str(path), "shapes laptop", digest)
    assert here.grounds == there.grounds
    assert len(here.grounds) == 6
    assert set(here.grounds.values()) == {
        Ground(
            "shapes", "2dot", "feed",
            (
                Asked("source_test", "2dot", "test", "clips"),
                Asked("source_val", "2dot", "val", "clips"),
                Asked("target", "5dot", "test", "clips"),
                Asked("target", "mnist", "test", "clips"),
            ),
        )
    }  # fmt: skip


def test_a_sweep_that_is_named_twice_is_entered_once(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.5})
    other = write_sweep(tmp_path / "two", {"bag": 0.5})
    assert [each.name for each in entered(folder, other, folder)] == [str(folder), str(other)]


def test_the_reference_is_that_of_the_first_sweeps_study(tmp_path: Path) -> None:
    capsule = tmp_path / "own.tar.zst"
    pack(Storage.at(write_sweep(tmp_path / "one", {"cnn3d": 0.5})), capsule, SHAPES)

    class WithReference(Shapes):
        reference = capsule

    study, folder = WithReference("shapes"), write_sweep(tmp_path / "two", {"bag": 0.5})
    names = [each.name for each in enter(["reference", str(folder)], lambda _: study)]
    assert names == ["reference", str(folder)]
    with pytest.raises(BadInput, match=r"^shapes has no reference; valid: a sweep's folder, or a capsule$"):
        enter([str(folder), "reference"], shapes)
    with pytest.raises(BadInput, match=r"^reference of which study\? valid: beside a sweep's folder or a capsule$"):
        enter(["reference"], shapes)


def test_a_place_without_a_finished_trial_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^there are no trials in "):
        entered(tmp_path)
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.5})
    for record in folder.glob("trials/*/record.json"):
        told = json.loads(record.read_text())
        told["evaluations"] = [each for each in told["evaluations"] if each["role"] != "source_val"]
        record.write_text(json.dumps(told))
    said = r"^no trial of '.*one' has finished and tells its accuracy at home: there is nothing to rank yet$"
    with pytest.raises(BadInput, match=said):
        entered(folder)
    for record in folder.glob("trials/*/record.json"):
        record.unlink()
    with pytest.raises(BadInput, match=said):
        entered(folder)


CLIPS = (Asked("source_val", "day", "val", "a"), Asked("target", "fog", "test", "b"))
FIRST = Ground("birds", "day", "d1", CLIPS)
MORE = (*CLIPS, Asked("target", "rain", "test", "c"))


@pytest.mark.parametrize(
    ("ground", "said"),
    [
        (FIRST._replace(study="cars"), "they are of the study cars, not birds"),
        (FIRST._replace(source="dusk"), "they were trained on DUSK, not DAY"),
        (FIRST._replace(asked=MORE), "they were asked about rain/test"),
        (FIRST._replace(asked=CLIPS[:1]), "they were not asked about fog/test"),
        (
            FIRST._replace(asked=(CLIPS[0], MORE[2])),
            "they were asked about rain/test and they were not asked about fog/test",
        ),
        (FIRST._replace(data="d2"), "they were trained or validated on other clips"),
        (
            FIRST._replace(asked=(CLIPS[0], CLIPS[1]._replace(content="x"))),
            "they were asked about other clips of fog/test",
        ),
    ],
    ids=["study", "source", "more", "less", "both", "data", "clips"],
)
def test_why_trials_are_not_compared(ground: Ground, said: str) -> None:
    assert apart(ground, FIRST, str.upper) == said
