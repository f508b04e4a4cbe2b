"""Clips of real shards through a real Ray Data pipeline: order, flips, ranks, and taking up an epoch in its middle."""

import json
import os
import signal
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from ray import train
from ray.train.torch import TorchTrainer
from torch.nn.functional import interpolate

from rac_ray.data.decoder import decoded_frames
from rac_ray.data.generate import generate
from rac_ray.data.streaming import (
    DEVIATION,
    MEAN,
    Feed,
    StoredClip,
    StreamedBatches,
    load_clip,
    normalised,
    places,
)
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.studies.diving48.feed import official_places
from tests.data.diving_files import write_download


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Storage:
    """Ten and four clips in shards of four."""
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", train=10, videos=True)
    root = Storage.at(tmp_path_factory.mktemp("shards") / "data")
    generate(root, OfficialVideos.at(folder, clips_per_shard=4))
    return root


def seen(batches: StreamedBatches, epoch: int, done: int = 0) -> list[tuple[NDArray[np.uint8], list[int]]]:
    return [(clips.numpy(), labels.tolist()) for clips, labels in batches.epoch(epoch, done)]


def test_the_order_is_a_permutation_of_seed_and_epoch() -> None:
    feed = Feed(seed=42, batch_size=4)
    first = feed.order(18, 0)
    assert len(set(first.tolist())) == 16
    assert feed.order(18, 0).tolist() == first.tolist()
    assert feed.order(18, 1).tolist() != first.tolist()
    assert Feed(seed=43, batch_size=4).order(18, 0).tolist() != first.tolist()


def test_ranks_share_each_batch_without_overlap() -> None:
    """The clips of a step are the same ones whatever the number of workers."""
    alone = Feed(seed=1, batch_size=4).order(18, 2).reshape(4, 4)
    shared = np.stack([Feed(seed=1, batch_size=4, rank=rank, world=2).order(18, 2) for rank in (0, 1)], axis=1)
    np.testing.assert_array_equal(shared.reshape(4, 4), alone)
    assert [Feed(seed=1, batch_size=4, rank=rank, world=2).steps(18) for rank in (0, 1)] == [4, 4]


def test_a_group_of_three_shares_a_batch_of_four_unevenly() -> None:
    alone = Feed(seed=1, batch_size=4).order(18, 2).reshape(4, 4)
    feeds = [Feed(seed=1, batch_size=4, rank=rank, world=3, uneven=True) for rank in range(3)]
    assert [feed.share for feed in feeds] == [2, 1, 1]
    assert [feed.steps(18) for feed in feeds] == [4, 4, 4]
    shared = [feed.order(18, 2).reshape(4, feed.share) for feed in feeds]
    for step, clips in enumerate(alone):
        assert sorted(clips) == sorted(int(clip) for each in shared for clip in each[step])


def test_validation_sees_every_clip_once_in_order() -> None:
    feeds = [Feed(seed=1, batch_size=4, shuffle=False, rank=rank, world=2) for rank in (0, 1)]
    assert [feed.order(7, 5).tolist() for feed in feeds] == [[0, 2, 4, 6], [1, 3, 5]]
    assert [feed.steps(7) for feed in feeds] == [2, 2]


def test_half_of_the_clips_are_mirrored_others_in_the_next_epoch() -> None:
    feed = Feed(seed=42, batch_size=4)
    flips = np.array([[feed.flipped(f"clip{number}", epoch) for number in range(2000)] for epoch in (0, 1)])
    assert flips.mean() == pytest.approx(0.5, abs=0.03)
    assert (flips[0] == flips[1]).mean() == pytest.approx(0.5, abs=0.05)
    assert not any(Feed(seed=42, batch_size=4, flip=False).flipped(f"clip{number}", 0) for number in range(50))


def test_places_are_in_the_lists_order(root: Storage) -> None:
    train = places(root, "train")
    assert [place.clip_id[-2:] for place in train] == [f"{number:02d}" for number in range(10)]
    assert [(place.file, place.row) for place in train[3:5]] == [
        ("train-00000-of-00003.parquet", 3),
        ("train-00001-of-00003.parquet", 0),
    ]
    val = official_places(root, "val", "authors")
    rest = official_places(root, "train", "authors")
    assert len(val) + len(rest) == 10
    assert not {place.clip_id for place in val} & {place.clip_id for place in rest}
    assert len(official_places(root, "test")) == 4


def test_what_is_not_there_is_told(root: Storage) -> None:
    with pytest.raises(BadInput, match=r"has no split 'valid'; valid: test, train"):
        places(root, "valid")
    with pytest.raises(BadInput, match=r"has no clip 'nobody_00001' in 'test'"):
        places(root, "test", ["nobody_00001"])
    with pytest.raises(BadInput, match=r"unknown validation split 'other'; valid: authors, grouped"):
        official_places(root, "val", "other")
    with pytest.raises(BadInput, match="4 training clips do not fill one batch of 8"):
        StreamedBatches(root, places(root, "test"), Feed(seed=1, batch_size=8))
    with pytest.raises(BadInput, match="batch size 3 cannot be shared by 2 workers"):
        Feed(seed=1, batch_size=3, world=2)


def test_an_epoch_has_every_clip_once_and_is_the_same_again(root: Storage) -> None:
    batches = StreamedBatches(root, places(root, "train"), Feed(seed=42, batch_size=2))
    first, again, next_epoch = seen(batches, 0), seen(batches, 0), seen(batches, 1)
    assert len(first) == len(batches) == 5
    assert first[0][0].shape == (2, 32, 3, 224, 224)
    assert sorted(label for _, labels in first for label in labels) == list(range(10))
    assert [labels for _, labels in first] == [labels for _, labels in again]
    assert all((one == two).all() for (one, _), (two, _) in zip(first, again, strict=True))
    assert [labels for _, labels in first] != [labels for _, labels in next_epoch]
    assert batches.seconds > 0


def test_a_worker_that_comes_back_goes_on_in_the_middle(root: Storage) -> None:
    """Three steps, then a new process's batches from step 3: nothing twice, nothing lost, flips as they were."""
    clips, feed = places(root, "train"), Feed(seed=7, batch_size=2)
    whole = seen(StreamedBatches(root, clips, feed), 4)
    rest = seen(StreamedBatches(root, clips, feed), 4, done=3)
    assert [labels for _, labels in rest] == [labels for _, labels in whole[3:]]
    assert all((one == two).all() for (one, _), (two, _) in zip(rest, whole[3:], strict=True))
    assert seen(StreamedBatches(root, clips, feed), 4, done=5) == []


def test_two_ranks_together_see_what_one_sees(root: Storage) -> None:
    clips = places(root, "train")
    alone = seen(StreamedBatches(root, clips, Feed(seed=3, batch_size=4)), 0)
    ranks = [seen(StreamedBatches(root, clips, Feed(seed=3, batch_size=4, rank=rank, world=2)), 0) for rank in (0, 1)]
    for step, (_, labels) in enumerate(alone):
        assert sorted(labels) == sorted(ranks[0][step][1] + ranks[1][step][1])


def consume(root: Storage, clips: list[StoredClip], diary: Path, _config: object) -> None:
    """An epoch on one rank of a worker group, written down step by step; rank 1 is killed after its third step."""
    context, checkpoint = train.get_context(), train.get_checkpoint()
    rank = context.get_world_rank()
    done = int(Path(checkpoint.path, "steps").read_text()) if checkpoint else 0
    feed = Feed(seed=7, batch_size=2, rank=rank, world=context.get_world_size())
    for step, (pixels, labels) in enumerate(StreamedBatches(root, clips, feed).epoch(4, done), done):
        with (diary / f"{done}-{rank}").open("a") as lines:
            lines.write(json.dumps([step, labels.tolist(), int(pixels.sum())]) + "\n")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "steps").write_text(str(step + 1))
            train.report({}, checkpoint=None if rank else train.Checkpoint.from_directory(folder))
        if (rank, step, done) == (1, 2, 0):
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_group_that_lost_a_worker_repeats_and_loses_no_clip(root: Storage, tmp_path: Path) -> None:
    """Two ranks of a real TorchTrainer, one killed in the middle of the epoch, both going on from the checkpoint."""
    clips = places(root, "train")
    (diary := tmp_path / "diary").mkdir()
    TorchTrainer(
        partial(consume, root, clips, diary),
        scaling_config=train.ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.25}),
        run_config=train.RunConfig(storage_path=str(tmp_path), failure_config=train.FailureConfig(max_failures=1)),
    ).fit()
    taken_up = max(int(path.name.partition("-")[0]) for path in diary.iterdir())
    assert taken_up in (2, 3)
    for rank in (0, 1):
        first, then = (
            [json.loads(line) for line in (diary / f"{done}-{rank}").read_text().splitlines()] for done in (0, taken_up)
        )
        feed = Feed(seed=7, batch_size=2, rank=rank, world=2)
        alone = [
            [step, labels, int(pixels.sum())]
            for step, (pixels, labels) in enumerate(seen(StreamedBatches(root, clips, feed), 4))
        ]
        assert first[:taken_up] + then == alone
        assert len(alone) == 5


def test_frames_are_resized_as_tensors_are_and_mirrored_whole(root: Storage) -> None:
    """Against torch's bilinear interpolation without antialiasing, up to the rounding to whole grey levels."""
    place = places(root, "test")[1]
    item = {"clip_id": place.clip_id, "label": 1, "file": place.file, "row": place.row, "flip": False}
    row = pq.read_table(Path(root.root) / place.file).slice(place.row, 1).to_pylist()[0]
    frames = torch.from_numpy(decoded_frames(row["frames"])).permute(0, 3, 1, 2).float()
    expected = interpolate(frames, size=(224, 224), mode="bilinear", align_corners=False, antialias=False)
    found = load_clip(root, item)
    assert (found.shape, found.dtype) == ((32, 3, 224, 224), np.uint8)
    assert (torch.from_numpy(found) - expected).abs().max() <= 1
    np.testing.assert_array_equal(load_clip(root, {**item, "flip": True}), found[..., ::-1])


def painted(colour: int, clip_id: str, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.full_like(frames, colour)


def test_another_domain_is_rendered_on_the_way(root: Storage) -> None:
    feed = Feed(seed=1, batch_size=2, shuffle=False, flip=False)
    batches = StreamedBatches(root, places(root, "test"), feed, render=partial(painted, 17))
    assert {value for clips, _ in seen(batches, 0) for value in np.unique(clips).tolist()} == {17}


def test_normalisation_is_imagenets() -> None:
    clips = torch.full((1, 2, 3, 4, 4), 255, dtype=torch.uint8)
    expected = (1 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    torch.testing.assert_close(normalised(clips)[0, 1, :, 2, 3], expected)
