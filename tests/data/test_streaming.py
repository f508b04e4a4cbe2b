"""Clips of real shards through a real Ray Data pipeline: order, flips, ranks, and taking up an epoch in its middle."""

import json
import os
import signal
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from ray import train
from ray.train.torch import TorchTrainer

from rac_ray.data import reading
from rac_ray.data.jpegs import JpegClips
from rac_ray.data.order import Mirror, Share
from rac_ray.data.reading import read_whole
from rac_ray.data.resident import ResidentBatches
from rac_ray.data.shards import Clips
from rac_ray.data.source import StoredClips, places
from rac_ray.data.streaming import StreamedBatches
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape import dataset as datasets
from tests.data.conftest import dataset_of, write_folder

SHAPE, GREY = (32, 3, 224, 224), (20, 1, 64, 64)

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> StoredClips:
    """Forty clips in shards of fifteen."""
    root = Storage.at(tmp_path_factory.mktemp("shapes"))
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(datasets, "CLIPS_PER_SHARD", 15)
        write_folder(root, dataset_of(**{"2dot__train": 40}))
    return StoredClips(root, "2dot/train", GREY)


def dives_of(root: Storage, mirror: Mirror | None = None) -> JpegClips:
    return JpegClips(root, partial(places, root, "train"), mirror=mirror)


def seen(batches: StreamedBatches, epoch: int, done: int = 0) -> list[tuple[NDArray[np.uint8], list[int]]]:
    return [(clips.numpy(), labels.tolist()) for clips, labels in batches.epoch(epoch, done)]


def same(one: list[tuple[NDArray[np.uint8], list[int]]], other: list[tuple[NDArray[np.uint8], list[int]]]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a == b and np.array_equal(clips, others) for (clips, a), (others, b) in pairs)


def whole(source: StoredClips | JpegClips, shape: tuple[int, ...]) -> Clips:
    return dict(read_whole({"all": source}, shape))["all"]


def gathered(batches: ResidentBatches, epoch: int) -> list[tuple[NDArray[np.uint8], list[int]]]:
    batches.set_epoch(epoch)
    return [(clips.numpy(), labels.tolist()) for clips, labels in batches]


@pytest.mark.parametrize("share", [Share(8, key=3), Share(8, 1, 2, key=3), Share(7, 2, 3, whole_steps=False)])
def test_batches_are_those_of_clips_in_memory(shapes: StoredClips, share: Share) -> None:
    resident = ResidentBatches(whole(shapes, GREY), share)
    streamed = StreamedBatches(shapes, GREY, share)
    for epoch in (0, 1):
        assert same(seen(streamed, epoch), gathered(resident, epoch))
    assert len(streamed) == len(resident)
    assert streamed.seconds > 0


def test_clips_are_the_same_read_here_or_by_tasks(
    shapes: StoredClips, dives: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = [whole(shapes, GREY), whole(dives_of(dives), SHAPE)]
    monkeypatch.setattr(reading, "HERE_BYTES", 0)
    for one, other in zip(here, [whole(shapes, GREY), whole(dives_of(dives), SHAPE)], strict=True):
        assert one.clip_ids == other.clip_ids
        assert one.labels.dtype == other.labels.dtype == np.int64
        assert np.array_equal(one.frames, other.frames)
        assert np.array_equal(one.labels, other.labels)


def test_mirrored_batches_are_those_of_clips_in_memory(dives: Storage) -> None:
    share, mirror = Share(4, key=3), Mirror(3)
    resident = ResidentBatches(whole(dives_of(dives), SHAPE), share, mirror=mirror)
    assert same(seen(StreamedBatches(dives_of(dives, mirror), SHAPE, share), 2), gathered(resident, 2))


def test_an_epoch_has_every_clip_once_and_is_the_same_again(dives: Storage) -> None:
    batches = StreamedBatches(dives_of(dives, Mirror(42)), SHAPE, Share(2, key=42))
    first, again, next_epoch = seen(batches, 0), seen(batches, 0), seen(batches, 1)
    assert len(first) == len(batches) == 5
    assert first[0][0].shape == (2, *SHAPE)
    assert sorted(label for _, labels in first for label in labels) == list(range(10))
    assert same(first, again)
    assert [labels for _, labels in first] != [labels for _, labels in next_epoch]


def test_a_worker_that_comes_back_goes_on_in_the_middle(shapes: StoredClips) -> None:
    """Three steps, then a new process's batches from step 3: nothing twice, nothing lost."""
    share = Share(4, key=7)
    all_steps = seen(StreamedBatches(shapes, GREY, share), 4)
    assert same(seen(StreamedBatches(shapes, GREY, share), 4, done=3), all_steps[3:])
    assert seen(StreamedBatches(shapes, GREY, share), 4, done=10) == []
    batches = StreamedBatches(shapes, GREY, share)
    batches.set_epoch(4)
    given = iter(batches)
    for _ in range(3):
        next(given)
    other = StreamedBatches(shapes, GREY, share)
    other.load_state_dict(batches.state_dict())
    other.set_epoch(4)
    assert [labels.tolist() for _, labels in other] == [labels for _, labels in all_steps[3:]]


def consume(source: JpegClips, diary: Path, _config: object) -> None:
    """An epoch on one rank of a worker group, written down step by step; rank 1 is killed after its third step."""
    context, checkpoint = train.get_context(), train.get_checkpoint()
    rank = context.get_world_rank()
    done = int(Path(checkpoint.path, "steps").read_text()) if checkpoint else 0
    share = Share(2, rank, context.get_world_size(), key=7)
    for step, (pixels, labels) in enumerate(StreamedBatches(source, SHAPE, share).epoch(4, done), done):
        with (diary / f"{done}-{rank}").open("a") as lines:
            lines.write(json.dumps([step, labels.tolist(), int(pixels.sum())]) + "\n")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "steps").write_text(str(step + 1))
            train.report({}, checkpoint=None if rank else train.Checkpoint.from_directory(folder))
        if (rank, step, done) == (1, 2, 0):
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_group_that_lost_a_worker_repeats_and_loses_no_clip(dives: Storage, tmp_path: Path) -> None:
    """Two ranks of a real TorchTrainer, one killed in the middle of the epoch, both going on from the checkpoint."""
    source = dives_of(dives, Mirror(7))
    (diary := tmp_path / "diary").mkdir()
    TorchTrainer(
        partial(consume, source, diary),
        scaling_config=train.ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.25}),
        run_config=train.RunConfig(storage_path=str(tmp_path), failure_config=train.FailureConfig(max_failures=1)),
    ).fit()
    taken_up = max(int(path.name.partition("-")[0]) for path in diary.iterdir())
    assert taken_up in (2, 3)
    for rank in (0, 1):
        first, then = (
            [json.loads(line) for line in (diary / f"{done}-{rank}").read_text().splitlines()] for done in (0, taken_up)
        )
        share = Share(2, rank, 2, key=7)
        alone = [
            [step, labels, int(pixels.sum())]
            for step, (pixels, labels) in enumerate(seen(StreamedBatches(source, SHAPE, share), 4))
        ]
        assert first[:taken_up] + then == alone
        assert len(alone) == 5


def painted(colour: int, clip_id: str, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.full_like(frames, colour)


def test_another_domain_is_rendered_on_the_way(dives: Storage) -> None:
    source = JpegClips(dives, partial(places, dives, "test"), render=partial(painted, 17))
    batches = StreamedBatches(source, SHAPE, Share(2, whole_steps=False))
    assert {value for clips, _ in seen(batches, 0) for value in np.unique(clips).tolist()} == {17}
