"""Feeds of clips in memory: what a worker trains on, validates on and is asked about."""

import numpy as np
import pytest
import torch

from rac_ray.data.feed import Opening, Place
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.shards import Clips
from rac_ray.data.subject import ShardSubject
from rac_ray.errors import BadInput
from rac_ray.models import Builder
from rac_ray.store.storage import Storage
from rac_ray.training.evaluate import EVALUATION_BATCHES

TRAIN, VAL, TEST = "2dot/train", "2dot/val", "mnist/test"
SUBJECT = ShardSubject(Builder("cnn3d", 2), TRAIN, VAL, 5, (20, 1, 64, 64), Storage("/nowhere"))


def clips_of(count: int, start: int = 0) -> Clips:
    """Clips whose pixels and labels are their numbers."""
    numbers = np.arange(start, start + count)
    frames = np.broadcast_to(numbers[:, None, None, None].astype(np.uint8), (count, 20, 64, 64)).copy()
    return Clips(frames, numbers.astype(np.int64), [f"clip/{number:06d}" for number in numbers])


def feeds_of(place: Place | None = None, *, seed: int = 3, batch_size: int = 4, train: int = 11) -> ClipFeeds:
    clips = {TRAIN: clips_of(train), VAL: clips_of(6, 50), TEST: clips_of(5, 100)}
    return ClipFeeds(SUBJECT, Opening(seed, batch_size, place or Place(), clips))


def labels_of(batches: object) -> list[list[int]]:
    return [labels.tolist() for _, labels in batches]  # type: ignore[attr-defined]


def test_pixels_are_scaled_to_one() -> None:
    scaled = SUBJECT.scaled(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert scaled.dtype == torch.float32
    assert scaled.tolist() == pytest.approx([0.0, 0.2, 1.0])
    assert SUBJECT.evaluation_batch("cpu", 7) == EVALUATION_BATCHES["cpu"]


def test_training_is_in_an_order_of_the_seed_and_validation_in_the_clips_own() -> None:
    first = labels_of(feeds_of().train())
    assert [len(batch) for batch in first] == [4, 4]
    assert first == labels_of(feeds_of().train())
    assert first != labels_of(feeds_of(seed=4).train())
    assert labels_of(feeds_of().val()) == [[50, 51, 52, 53], [54, 55]]


def test_workers_share_what_they_train_on_and_are_asked() -> None:
    whole = labels_of(feeds_of().train())
    halves = [feeds_of(Place(rank, 2)) for rank in (0, 1)]
    shared = [labels_of(half.train()) for half in halves]
    assert [sorted(one + two) for one, two in zip(*shared, strict=True)] == [sorted(batch) for batch in whole]
    asked = [half.asked(TEST) for half in halves]
    assert [labels_of(each.batches) for each in asked] == [[[100, 102, 104]], [[101, 103]]]
    for each in asked:
        assert each.labels.tolist() == [100, 101, 102, 103, 104], "the clips of all workers, in their order"
        assert each.clip_ids == [f"clip/{number:06d}" for number in range(100, 105)]


def test_what_is_asked_comes_in_batches_of_evaluation_with_a_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EVALUATION_BATCHES, "cpu", 2)
    batches = list(feeds_of().asked(TEST).batches)
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    for frames, labels in batches:
        assert (frames.shape[1:], frames.dtype) == ((20, 1, 64, 64), torch.uint8)
        assert (frames == labels[:, None, None, None, None]).all()


def test_a_worker_without_a_clip_of_a_part_is_asked_nothing() -> None:
    assert labels_of(feeds_of(Place(5, 6)).asked(TEST).batches) == []


def test_clips_that_do_not_fill_a_batch_are_told() -> None:
    with pytest.raises(BadInput, match=r"^3 training clips do not fill one batch of 4$"):
        feeds_of(train=3).train()
    with pytest.raises(BadInput, match=r"^7 workers for 6 validation clips; valid: one clip each, or more$"):
        feeds_of(Place(0, 7), batch_size=8).val()
