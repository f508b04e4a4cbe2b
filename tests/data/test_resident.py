"""Batches of clips in memory."""

from itertools import chain

import numpy as np
import pytest
import torch

from rac_ray.data.order import Mirror, Share
from rac_ray.data.resident import ResidentBatches
from rac_ray.data.shards import Clips


def share_of(batch_size: int, key: int | None, rank: int = 0, world: int = 1) -> Share:
    """Whole steps in an order of the key, or all clips in their own."""
    return Share(batch_size, rank, world, whole_steps=key is not None, key=key)


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
    batches = ResidentBatches(numbered, Share(8, key=5))
    first = drawn(batches)
    assert len(batches) == 2
    assert len(set(first)) == 16
    assert drawn(batches) == first
    batches.set_epoch(1)
    second = drawn(batches)
    assert second != first
    assert drawn(ResidentBatches(numbered, Share(8, key=6))) != first
    again = ResidentBatches(numbered, Share(8, key=5))
    again.set_epoch(1)
    assert drawn(again) == second


def test_evaluation_keeps_order_and_every_clip(numbered) -> None:
    batches = ResidentBatches(numbered, Share(8, whole_steps=False))
    assert len(batches) == 3
    assert drawn(batches) == list(range(20))
    frames, labels = next(iter(batches))
    assert frames.shape == (8, 20, 1, 64, 64)
    assert frames.dtype == torch.uint8
    np.testing.assert_array_equal(frames[:, :, 0].numpy(), numbered.frames[:8])
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("key", [None, 3])
def test_workers_share_each_batch(numbered, key: int | None) -> None:
    whole = [labels.tolist() for _, labels in ResidentBatches(numbered, share_of(8, key))]
    halves = [ResidentBatches(numbered, share_of(8, key, rank, 2)) for rank in (0, 1)]
    shared = [[labels.tolist() for _, labels in half] for half in halves]
    assert [sorted(left + right) for left, right in zip(*shared, strict=True)] == [sorted(batch) for batch in whole]
    assert len(halves[0]) == len(halves[1])


@pytest.mark.parametrize("key", [None, 3])
def test_workers_share_batches_that_they_do_not_divide(numbered, key: int | None) -> None:
    whole = [labels.tolist() for _, labels in ResidentBatches(numbered, share_of(8, key))]
    thirds = [ResidentBatches(numbered, share_of(8, key, rank, 3)) for rank in range(3)]
    assert [len(next(iter(third))[1]) for third in thirds] == [3, 3, 2]
    shared = [[labels.tolist() for _, labels in third] for third in thirds]
    assert [sorted(chain(*each)) for each in zip(*shared, strict=True)] == [sorted(batch) for batch in whole]


def test_a_last_clip_that_only_one_worker_gets(make_clips) -> None:
    clips = make_clips(9)
    halves = [ResidentBatches(clips, share_of(4, None, rank, 2)) for rank in (0, 1)]
    assert [sum(len(labels) for _, labels in half) for half in halves] == [5, 4]


def test_an_epoch_goes_on_where_a_checkpoint_says(numbered) -> None:
    batches = ResidentBatches(numbered, Share(4, key=3))
    whole = [labels.tolist() for _, labels in batches]
    given = iter(batches)
    for _ in range(2):
        next(given)
    other = ResidentBatches(numbered, Share(4, key=3))
    other.load_state_dict(batches.state_dict())
    assert [labels.tolist() for _, labels in other] == whole[2:]
    assert [labels.tolist() for _, labels in other] == whole, "the next epoch is a whole one"


def test_clips_are_viewed_where_they_lie_and_never_written_to(numbered) -> None:
    numbered.frames.flags.writeable = False
    batches = ResidentBatches(numbered, Share(8, whole_steps=False))
    assert batches.frames.data_ptr() == numbered.frames.ctypes.data


@pytest.mark.parametrize("key", [None, 3])
def test_some_clips_are_mirrored_in_an_epoch(key: int | None) -> None:
    frames = np.broadcast_to(np.arange(4, dtype=np.uint8), (30, 2, 3, 4, 4)).copy()
    clips = Clips(frames, np.arange(30), [f"clip {number}" for number in range(30)])
    mirror = Mirror(5)
    batches = ResidentBatches(clips, share_of(10, key), mirror=mirror)
    batches.set_epoch(2)
    for pixels, labels in batches:
        for clip, label in zip(pixels, labels.tolist(), strict=True):
            expected = [3, 2, 1, 0] if mirror(2, f"clip {label}") else [0, 1, 2, 3]
            assert torch.equal(clip, torch.tensor(expected, dtype=torch.uint8).expand(2, 3, 4, 4))


def test_batches_of_one_process_share_a_copy_on_a_device(make_clips) -> None:
    """On torch's ``meta`` device, which holds no values: whose tensor it is shows all the same."""
    clips = make_clips(6)
    one, other = (ResidentBatches(clips, Share(2, key=seed), device="meta") for seed in (0, 1))
    apart = ResidentBatches(Clips(clips.frames.copy(), clips.labels, clips.clip_ids), Share(2), device="meta")
    assert one.frames is other.frames
    assert one.frames is not apart.frames
    assert ResidentBatches(clips, Share(2)).frames.data_ptr() == clips.frames.ctypes.data
