from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from rac_ray.data.generate import generate
from rac_ray.data.loading import ResidentBatches, ResidentClips, open_clips
from rac_ray.data.manifest import part_keys, read_split
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec


def drawn(batches: ResidentBatches) -> list[int]:
    """Labels in the order that the batches give them."""
    return [int(label) for _, labels in batches for label in labels]


@pytest.fixture
def numbered(make_clips):
    """Twenty clips whose labels are their places."""
    clips = make_clips(20)
    clips.labels[:] = np.arange(20)
    return clips


def test_training_order_is_a_permutation_by_seed_and_epoch_without_the_short_batch(numbered) -> None:
    batches = ResidentBatches(numbered, 8, order_seed=5)
    first = drawn(batches)
    assert len(batches) == 2
    assert len(set(first)) == 16
    assert drawn(batches) == first
    batches.set_epoch(1)
    second = drawn(batches)
    assert second != first
    assert drawn(ResidentBatches(numbered, 8, order_seed=6)) != first
    again = ResidentBatches(numbered, 8, order_seed=5)
    again.set_epoch(1)
    assert drawn(again) == second


def test_evaluation_keeps_order_and_every_clip(numbered) -> None:
    batches = ResidentBatches(numbered, 8)
    assert len(batches) == 3
    assert drawn(batches) == list(range(20))
    frames, labels = next(iter(batches))
    assert frames.shape == (8, 20, 1, 64, 64)
    assert frames.dtype == torch.uint8
    np.testing.assert_array_equal(frames[:, :, 0].numpy(), numbered.frames[:8])
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("order_seed", [None, 3])
def test_workers_share_each_batch(numbered, order_seed: int | None) -> None:
    whole = [labels.tolist() for _, labels in ResidentBatches(numbered, 8, order_seed=order_seed)]
    halves = [ResidentBatches(numbered, 8, order_seed=order_seed, rank=rank, world=2) for rank in (0, 1)]
    shared = [[labels.tolist() for _, labels in half] for half in halves]
    assert [sorted(left + right) for left, right in zip(*shared, strict=True)] == [sorted(batch) for batch in whole]
    assert len(halves[0]) == len(halves[1])


@pytest.mark.parametrize("order_seed", [None, 3])
def test_workers_share_batches_that_they_do_not_divide(numbered, order_seed: int | None) -> None:
    whole = [labels.tolist() for _, labels in ResidentBatches(numbered, 8, order_seed=order_seed)]
    thirds = [ResidentBatches(numbered, 8, order_seed=order_seed, rank=rank, world=3) for rank in range(3)]
    assert [third.share for third in thirds] == [3, 3, 2]
    shared = [[labels.tolist() for _, labels in third] for third in thirds]
    assert [sorted(chain(*each)) for each in zip(*shared, strict=True)] == [sorted(batch) for batch in whole]


def test_a_last_clip_that_only_one_worker_gets(make_clips) -> None:
    clips = make_clips(9)
    halves = [ResidentBatches(clips, 4, rank=rank, world=2) for rank in (0, 1)]
    assert [sum(len(labels) for _, labels in half) for half in halves] == [5, 4]


def test_bad_batches_are_named(numbered) -> None:
    with pytest.raises(BadInput, match="9 workers for steps of 8 clips; valid: one clip each, or more"):
        ResidentBatches(numbered, 8, order_seed=0, world=9)
    with pytest.raises(BadInput, match="21 workers for 20 validation clips; valid: one clip each, or more"):
        ResidentBatches(numbered, 64, world=21)
    with pytest.raises(BadInput, match="20 training clips do not fill one batch of 64"):
        ResidentBatches(numbered, 64, order_seed=0)


@pytest.mark.usefixtures("local_ray")
def test_ray_data_gives_the_shards_clips_once_per_process(tmp_path: Path) -> None:
    root, parts = Storage.at(tmp_path), ["2dot/train", "mnist/test"]
    dataset = GeneratedClips(TemporalShapeSpec(), {"2dot/train": 501, "mnist/test": 3})
    generate(root, dataset)
    iterator = open_clips(root, parts).iterator()
    resident = ResidentClips()
    clips = resident.get(part_keys(root, parts), iterator, (20, 64, 64))
    for part in parts:
        expected = read_split(root, part)
        np.testing.assert_array_equal(clips[part].frames, expected.frames)
        np.testing.assert_array_equal(clips[part].labels, expected.labels)
        assert clips[part].clip_ids == expected.clip_ids
    assert resident.get(part_keys(root, parts), iterator, (20, 64, 64))["2dot/train"] is clips["2dot/train"]
    only = resident.get(part_keys(root, ["mnist/test"]), iterator, (20, 64, 64))
    assert list(only) == ["mnist/test"]


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no manifest; a sweep, or a verb of `rac-ray`, makes its clips"):
        open_clips(Storage.at(tmp_path), ["2dot/train"])
