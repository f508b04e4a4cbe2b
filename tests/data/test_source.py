"""Clips of raw pixels in shards, read without Ray."""

import re
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rac_ray.data.manifest import read_split
from rac_ray.data.source import StoredClips, load_pixels
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from tests.object_server import CREDENTIALS, object_server

SHAPE = (20, 1, 64, 64)


@pytest.fixture
def source(folder: Storage) -> StoredClips:
    return StoredClips(folder, "2dot/train", SHAPE)


def test_clips_are_those_of_the_shards_in_the_order_of_their_names(folder: Storage, source: StoredClips) -> None:
    expected = read_split(folder, "2dot/train")
    assert source.clip_ids == expected.clip_ids
    np.testing.assert_array_equal(source.labels, expected.labels)
    assert {place.file for place in source.places} == {f"2dot/train-0000{n}-of-00002.parquet" for n in (0, 1)}


def test_any_clips_in_any_order(folder: Storage, source: StoredClips) -> None:
    """Over several files and row groups, one of them twice."""
    chosen, expected = [9, 0, 6, 6, 7, 3], read_split(folder, "2dot/train")
    loaded = source.load(source.items(5, chosen))
    np.testing.assert_array_equal(loaded.frames[:, :, 0], expected.frames[chosen])
    np.testing.assert_array_equal(loaded.labels, expected.labels[chosen])
    assert loaded.frames.shape == (6, *SHAPE)


def test_what_changed_under_way_is_told(folder: Storage, source: StoredClips) -> None:
    items = source.items(0, [0, 8])
    first = Path(folder.root, "2dot/train-00000-of-00002.parquet")
    with pytest.raises(BadInput, match=r"row 0 is clip '2dot/train/000000' by now, and was 'other'"):
        load_pixels(folder, "2dot/train", SHAPE, [{**items[0], "clip_id": "other"}])
    with pytest.raises(BadInput, match=r"has 7 clips by now, and '2dot/train/000000' was in row 7"):
        load_pixels(folder, "2dot/train", SHAPE, [{**items[0], "row": 7}])
    with pytest.raises(BadInput, match=r"a clip has another size than \(20, 1, 32, 64\)"):
        load_pixels(folder, "2dot/train", (20, 1, 32, 64), items)
    first.unlink()
    with pytest.raises(BadInput, match=rf"^shard {re.escape(str(first))} is gone; the verb `run` makes it again$"):
        load_pixels(folder, "2dot/train", SHAPE, items)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_flipped_bit_of_pixels_is_found_by_the_pages_checksum(
    share: float, folder: Storage, source: StoredClips
) -> None:
    items = source.items(0, range(7))
    path = Path(folder.root, items[0]["file"])
    group = pq.read_metadata(path).row_group(0)
    (frames,) = (group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == "frames")
    content = bytearray(path.read_bytes())
    assert frames.dictionary_page_offset is None
    content[frames.data_page_offset + 40 + int((frames.total_compressed_size - 41) * share)] ^= 1
    path.write_bytes(content)
    sentence = rf"^shard {re.escape(str(path))} is damaged \(.*\); the verb `run` makes it again$"
    with pytest.raises(BadInput, match=sentence):
        load_pixels(folder, "2dot/train", SHAPE, items)


def test_a_shard_that_is_cut_short_is_damaged(folder: Storage, source: StoredClips) -> None:
    items = source.items(0, [0])
    path = Path(folder.root, items[0]["file"])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInput, match=r"is damaged"):
        load_pixels(folder, "2dot/train", SHAPE, items)


@pytest.mark.parametrize("seconds", [1.5, pytest.param(30.0, marks=pytest.mark.slow)])
def test_a_bucket_that_is_silent_for_a_while_is_asked_again(
    seconds: float, folder: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with object_server() as server:
        bucket = Storage.at(server.uri("silent"))
        for name in folder.sizes():
            bucket.write_bytes(name, folder.read_bytes(name))
        source = StoredClips(bucket, "2dot/train", SHAPE)
        items = source.items(0, [8, 2])
        outage, began = threading.Thread(target=server.fails_for, args=([("hang", seconds)],)), time.monotonic()
        outage.start()
        while server.fault == "none":
            time.sleep(0.01)
        loaded = source.load(items)
        assert time.monotonic() - began >= seconds
        outage.join()
    np.testing.assert_array_equal(loaded.frames[:, :, 0], read_split(folder, "2dot/train").frames[[8, 2]])
