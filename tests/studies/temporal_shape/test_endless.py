"""Clips that are drawn for an epoch: pure functions of (spec, seed, epoch, number), never twice the same."""

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from rac_ray.data.order import Share
from rac_ray.data.streaming import StreamedBatches
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, endless_clip
from rac_ray.studies.temporal_shape.endless import EndlessClips, draw

SPEC = TemporalShapeSpec()
DATASET = GeneratedClips(SPEC, {"2dot/val": 4})


def source(seed: int = 42, domain: str = "2dot", clips: int = 12, keep: Storage | None = None) -> EndlessClips:
    return EndlessClips(DATASET, domain, clips, seed, keep)


def test_a_clip_is_a_function_of_its_key() -> None:
    one = endless_clip(SPEC, "mnist_bg_half", 42, 3, 7)
    again = pickle.loads(pickle.dumps(source(domain="mnist_bg_half").load))([{"epoch": 3, "index": 7}])
    np.testing.assert_array_equal(again.frames[0, :, 0], one.frames)
    assert again.labels.tolist() == [one.label]
    others = [(43, 3, 7), (42, 4, 7), (42, 3, 8)]
    assert all((endless_clip(SPEC, "mnist_bg_half", *key).frames != one.frames).any() for key in others)


def test_no_clip_is_seen_twice_and_a_resumed_epoch_sees_the_same() -> None:
    batches = StreamedBatches(source(), (20, 1, 64, 64), Share(4))
    seen = [[clip.numpy().tobytes() for clips, _ in batches.epoch(epoch) for clip in clips] for epoch in range(3)]
    assert [len(epoch) for epoch in seen] == [12, 12, 12]
    assert max(Counter(clip for epoch in seen for clip in epoch).values()) == 1
    rest = [clip.numpy().tobytes() for clips, _ in batches.epoch(1, done=2) for clip in clips]
    assert rest == seen[1][8:]
    ranks = [StreamedBatches(source(), (20, 1, 64, 64), Share(4, rank, 2)) for rank in (0, 1)]
    shared = [clip.numpy().tobytes() for each in ranks for clips, _ in each.epoch(1) for clip in clips]
    assert sorted(shared) == sorted(seen[1])


def test_all_classes_are_drawn() -> None:
    labels = draw(source(clips=200), source(clips=200).items(0, range(200))).labels
    assert np.bincount(labels, minlength=5).min() > 20


def test_kept_clips_are_shards_of_their_own(tmp_path: Path) -> None:
    kept = source(keep=Storage.at(tmp_path))
    loaded = draw(kept, kept.items(5, range(12)))
    (path,) = tmp_path.rglob("*.parquet")
    assert str(path.relative_to(tmp_path)) == "endless/2dot/seed-42/epoch-0005/000000-000011-00000-of-00001.parquet"
    table = pq.read_table(path)
    assert table["clip_id"].to_pylist() == [f"2dot/endless/seed-42/epoch-0005/{n:06d}" for n in range(12)]
    assert [bytes(clip) for clip in table["frames"].to_pylist()] == [clip.tobytes() for clip in loaded.frames]
    before = path.stat().st_mtime_ns
    draw(kept, kept.items(5, [2, 4, 6]))
    assert path.stat().st_mtime_ns == before


def test_files_of_kept_clips_are_the_same_whoever_draws_them(tmp_path: Path) -> None:
    """A worker that has every other clip, and one that takes an epoch up in its middle, write no clip twice."""
    whole, pieces = (source(clips=100, keep=Storage.at(tmp_path / name)) for name in ("whole", "pieces"))
    for places in (range(64), range(64, 100)):
        draw(whole, whole.items(0, places))
    for places in (range(56, 100), range(1, 64, 2), range(0, 64, 2)):
        draw(pieces, pieces.items(0, places))
    first, second = (
        {
            str(path.relative_to(tmp_path / name)): pq.read_table(path, columns=["clip_id", "frames", "label"])
            for path in (tmp_path / name).rglob("*.parquet")
        }
        for name in ("whole", "pieces")
    )
    assert len(first) == 2
    assert first == second
