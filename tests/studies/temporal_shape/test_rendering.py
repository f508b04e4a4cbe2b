"""Clips for reports, from records alone: all of the study's domains, and other symbols while their folder is there."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rac_ray.data.manifest import content_hash
from rac_ray.data.shards import Clips, clip_digests
from rac_ray.errors import BadInput
from rac_ray.store.record import Record
from rac_ray.studies.temporal_shape.domains import make_clip
from rac_ray.studies.temporal_shape.rendering import clip_source, rendered_parts
from rac_ray.studies.temporal_shape.study import TemporalShape, dataset_of
from rac_ray.studies.temporal_shape.symbols import all_symbols
from tests.records import record_of
from tests.studies.temporal_shape.idx import drawn, folder_of
from tests.sweep import tiny_sweep

STUDY = TemporalShape()
GRID = replace(tiny_sweep.GRID, seeds=(0,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of symbols."""
    return Path(folder_of(tmp_path / "kannada", drawn(4)))


@pytest.fixture
def record(folder: Path, tmp_path: Path) -> Record:
    """Of a training that was asked about the folder, too. Its symbols are not read yet."""
    grid = replace(GRID, symbols=all_symbols([str(folder)]))
    (task,) = tiny_sweep.plan_of(grid, tmp_path / "results", tmp_path / "data").tasks
    dataset, parts = dataset_of(grid), [*dict.fromkeys((*task.trained_on, *task.counts.evaluated))]
    content = {part: pixels_of(part, dataset.clips[part]) for part in parts}
    return msgspec.structs.replace(record_of(task), dataset=dataset.as_dict(parts), content=content)


def pixels_of(part: str, count: int) -> str:
    domain, _, split = part.partition("/")
    symbols = drawn(4) if domain == "kannada" else None
    clips = [make_clip(GRID.spec, domain, split, index, symbols) for index in range(count)]
    frames, labels = np.stack([clip.frames for clip in clips]), np.array([clip.label for clip in clips])
    return content_hash([clip_digests(Clips(frames, labels, [""] * count))])


def test_all_clips_are_rendered_as_the_training_saw_them(record: Record) -> None:
    clips = clip_source([record])
    for domain, symbols in (("mnist", None), ("kannada", drawn(4))):
        expected = make_clip(GRID.spec, domain, "test", 5, symbols).frames
        np.testing.assert_array_equal(clips(f"{domain}/test/000005"), expected)
    assert rendered_parts(record).keys() == record.content.keys()
    _, feeds = STUDY.again(record)
    assert [len(labels) for _, labels in feeds.train()] == [8, 8]


def test_a_part_that_a_record_does_not_tell_of_cannot_be_asked_about_again(record: Record) -> None:
    assert record.dataset
    clips = {part: count for part, count in record.dataset["clips"].items() if part != "mnist/test"}
    untold = msgspec.structs.replace(record, dataset={**record.dataset, "clips": clips})
    with pytest.raises(BadInput, match=f"^trial {record.training_id} does not say what mnist/test was made from$"):
        STUDY.again(untold)


@pytest.mark.parametrize("gone", [True, False])
def test_symbols_that_are_gone_or_others_leave_out_their_domain_only(gone: bool, record: Record, folder: Path) -> None:
    if gone:
        folder.rename(folder.with_name("elsewhere"))
        reason = f"there is no folder of digits '{folder}'"
    else:
        folder_of(folder, drawn(4, seed=1))
        reason = f"the folder of digits '{folder}' has other images by now than clips were made of"
    clips = clip_source([record])
    assert clips("mnist/test/000005").shape == (20, 64, 64)
    with pytest.raises(BadInput, match=reason):
        clips("kannada/test/000005")
    with pytest.raises(BadInput, match=reason):
        STUDY.again(record)


def test_symbols_that_a_record_no_longer_names_leave_out_their_domain_only(record: Record) -> None:
    """A later evaluation without them writes down what it was made from."""
    assert record.dataset
    clips = {part: count for part, count in record.dataset["clips"].items() if part != "kannada/test"}
    later = msgspec.structs.replace(record, dataset={**record.dataset, "clips": clips, "symbols": []})
    found = clip_source([later])
    assert found("5dot/test/000000").shape == (20, 64, 64)
    with pytest.raises(BadInput, match=f"trial {record.training_id} does not say what kannada/test was made from"):
        found("kannada/test/000000")


@pytest.mark.parametrize("clips", [0, 10**6, "8"], ids=str)
def test_a_part_of_other_clips_than_were_asked_about_is_not_rendered(clips: object, record: Record) -> None:
    """A record that tells of a million clips would have them all drawn."""
    made = {**(record.dataset or {}), "clips": {**(record.dataset or {})["clips"], "2dot/test": clips}}
    changed = msgspec.structs.replace(record, dataset=made)
    with pytest.raises(BadInput, match=f"trial {record.training_id} does not say|2dot/test is to hold 0 clips"):
        clip_source([changed])("2dot/test/000000")
