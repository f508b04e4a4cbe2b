"""A folder of other people's Parquet files, indexed on a real Ray: read as if rac_ray had written it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rac_ray.data.manifest import read_manifest, read_split, verify
from rac_ray.data.parquet_folder import LARGE_GROUP, files_in, indexed
from rac_ray.data.preview import first_of_each_class, write_preview
from rac_ray.data.source import StoredClips
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from tests.data.parquet_clips import DOMAINS, NAMES, PARTS, SHAPE, Row, by_datasets, by_pandas, rows_of, write_folder
from tests.object_server import CREDENTIALS, ObjectServer, object_server

Index = Callable[..., tuple[dict[str, Any], list[str]]]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return rows_of()


@pytest.fixture
def data(tmp_path: Path) -> Storage:
    return Storage.at(tmp_path / "index")


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    """Credentials are in the environment before Ray starts, as on a cluster's nodes."""
    with pytest.MonkeyPatch.context() as patch, object_server() as started:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield started


@pytest.fixture
def index(server: ObjectServer, local_ray: None, data: Storage) -> Index:
    """Indexes a folder; returns the manifest and what was said."""

    def make(folder: Path | Storage, shape: tuple[int, int, int, int] = SHAPE) -> tuple[dict[str, Any], list[str]]:
        said: list[str] = []
        place = folder if isinstance(folder, Storage) else Storage.at(folder)
        return indexed(data, place, shape, lambda _splits: None, said.append), said

    return make


def frames_of(rows: list[Row], part: str) -> np.ndarray:
    """(N, T, C, H, W) of a part, by clip id."""
    chosen = sorted((r for r in rows if f"{r['domain']}/{r['split']}" == part), key=lambda row: row["clip_id"])
    return np.stack([np.frombuffer(row["frames"], np.uint8).reshape(SHAPE) for row in chosen])


def test_files_of_three_writers_are_one_data_set(tmp_path: Path, rows: list[Row], data: Storage, index: Index) -> None:
    folder = write_folder(tmp_path / "clips", rows)
    before = files_in(Storage.at(folder))
    manifest, said = index(folder)
    assert list(before) == ["by pandas.parquet", "more/duck.parquet", "more/train-00000-of-00001.parquet"]
    assert {part: entry["clips"] for part, entry in manifest["splits"].items()} == PARTS
    assert manifest["splits"]["night/test"]["class_counts"] == {"dark": 3, "bright": 3}
    assert said[-1] == f"data {data.root}: indexed 24 clips of 3 files in {folder}"
    for part in PARTS:
        clips = read_split(data, part)
        np.testing.assert_array_equal(clips.frames, frames_of(rows, part))
        assert clips.labels.tolist() == [number % 2 for number in range(len(clips))]
        assert clips.clip_ids == [f"{part}/c{number:03d}" for number in range(len(clips))]
    assert verify(data) == []
    assert data.sizes().keys() == {"manifest.json"}
    assert files_in(Storage.at(folder)) == before


def test_workers_read_the_same_clips(tmp_path: Path, rows: list[Row], data: Storage, index: Index) -> None:
    index(write_folder(tmp_path / "clips", rows))
    for part in ("day/train", "night/test"):
        source = StoredClips(data, part, SHAPE)
        loaded = source.load(source.items(0, range(len(source.clip_ids))))
        np.testing.assert_array_equal(loaded.frames, frames_of(rows, part))
        assert source.clip_ids == read_split(data, part).clip_ids
        assert loaded.labels.tolist() == read_split(data, part).labels.tolist()


def test_pictures_are_in_colour(tmp_path: Path, rows: list[Row], data: Storage, index: Index) -> None:
    index(write_folder(tmp_path / "clips", rows))
    files = write_preview(data, tmp_path / "pictures")
    assert sorted(path.stem for path in files) == ["contact-sheet", *sorted(f"{d}-{n}" for d in DOMAINS for n in NAMES)]
    first = first_of_each_class(data)["night", "bright"]
    np.testing.assert_array_equal(first, frames_of(rows, "night/test")[1].transpose(0, 2, 3, 1))
    with Image.open(tmp_path / "pictures/night-bright.gif") as gif:
        shown = np.asarray(gif.convert("RGB"))[1::3, 1::3]
    assert np.abs(shown.mean(axis=(0, 1)) - first[0].mean(axis=(0, 1))).max() < 4


def test_an_index_counts_while_files_are_as_they_were(
    tmp_path: Path, rows: list[Row], data: Storage, index: Index
) -> None:
    folder = tmp_path / "clips"
    first = by_pandas(rows, folder / "a.parquet")
    before, _ = index(folder)
    again, said = index(folder)
    assert (again, len(said), "is up to date" in said[0]) == (before, 1, True)
    changed = [{**row, "frames": bytes(len(row["frames"]))} if row["domain"] == "fog" else row for row in rows]
    by_pandas(changed, first)
    os.utime(first, ns=(0, before["files"]["a.parquet"][1] + 1))
    assert verify(data) == ["fog/test: content differs from the manifest's"]
    after, said = index(folder)
    assert "indexed " in said[-1]
    differing = [part for part in PARTS if before["splits"][part]["content"] != after["splits"][part]["content"]]
    assert differing == ["fog/test"]
    first.rename(folder / "b.parquet")
    assert verify(data) == ["a.parquet: missing"]


def test_the_same_clips_in_other_files_have_the_same_content(tmp_path: Path, rows: list[Row], index: Index) -> None:
    several, _ = index(write_folder(tmp_path / "several", rows))
    one, _ = index(by_datasets(rows[::-1], tmp_path / "one/all.parquet").parent)
    keys = [{part: entry["content"] for part, entry in each["splits"].items()} for each in (several, one)]
    assert keys[0] == keys[1]


def test_a_folder_that_rac_ray_made_is_one_like_any_other(folder: Storage, data: Storage, index: Index) -> None:
    own = read_manifest(folder)
    assert own
    manifest, _ = index(Storage(folder.root), (20, 1, 64, 64))
    assert {part: entry["content"] for part, entry in manifest["splits"].items()} == {
        part: entry["content"] for part, entry in own["splits"].items()
    }
    assert read_split(data, "2dot/train").clip_ids == read_split(folder, "2dot/train").clip_ids
    with pytest.raises(BadInput, match=r"its metadata says clips of \(20, 64, 64\); valid: \(20, 3, 64, 64\), as the"):
        index(folder, (20, 3, 64, 64))
    with pytest.raises(BadInput, match="has clips of its own; choose another one for the index with --data"):
        indexed(folder, folder, (20, 1, 64, 64), lambda _splits: None, lambda _line: None)


def test_a_clip_of_another_length_is_named_by_the_task_that_finds_it(
    tmp_path: Path, rows: list[Row], data: Storage, index: Index
) -> None:
    short = {**rows[2], "frames": rows[2]["frames"][: 5 * 3 * 16 * 16]}
    by_pandas([*rows[:2], short, *rows[3:]], tmp_path / "clips/a.parquet", row_group_size=2)
    with pytest.raises(BadInput, match=r"a\.parquet row 2, column 'frames': 3,840 bytes are 5 frames of 3 x 16 x 16;"):
        index(tmp_path / "clips")
    assert read_manifest(data) is None


def test_large_row_groups_are_told_of(
    tmp_path: Path, rows: list[Row], index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pandas(rows, tmp_path / "clips/a.parquet")
    assert len(index(tmp_path / "clips")[1]) == 2
    monkeypatch.setattr("rac_ray.data.parquet_folder.LARGE_GROUP", LARGE_GROUP // 2560)
    by_pandas(rows, tmp_path / "clips/b.parquet", row_group_size=3)
    (tmp_path / "clips/a.parquet").unlink()
    assert len(index(tmp_path / "clips")[1]) == 2
    by_pandas(rows, tmp_path / "clips/b.parquet")
    told = index(tmp_path / "clips")[1][0]
    assert told.startswith(f"data {tmp_path}/clips/b.parquet has row groups of up to 24 clips (0 MB): where clips")
    assert told.endswith("files with row groups of 2604 clips are read faster")


def test_a_folder_in_a_bucket(
    rows: list[Row], tmp_path: Path, data: Storage, index: Index, server: ObjectServer
) -> None:
    bucket = Storage.at(server.uri("clips"))
    for path in write_folder(tmp_path / "clips", rows).rglob("*.parquet"):
        bucket.write_bytes(str(path.relative_to(tmp_path / "clips")), path.read_bytes())
    manifest, _ = index(bucket)
    assert {part: entry["clips"] for part, entry in manifest["splits"].items()} == PARTS
    np.testing.assert_array_equal(read_split(data, "night/test").frames, frames_of(rows, "night/test"))
    source = StoredClips(data, "night/test", SHAPE)
    assert len(source.load(source.items(0, [3, 1])).labels) == 2
    assert "is up to date" in index(bucket)[1][0]
    bucket.write_bytes("more.parquet", b"PAR1")
    with pytest.raises(BadInput, match=r"clips/more\.parquet\?endpoint_override=\S+ cannot be read"):
        index(bucket)
