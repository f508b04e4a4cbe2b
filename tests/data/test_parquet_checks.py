"""What files of other people's clips have to be: each mistake is one sentence with file, row and column."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rac_ray.data.parquet_checks import require_frames
from rac_ray.data.parquet_folder import digests_of, indexed
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from tests.data.parquet_clips import SHAPE, Row, by_pandas, rows_of

SIZE = int(np.prod(SHAPE))

Change = Callable[[pd.DataFrame], pd.DataFrame]


def index(folder: Path) -> dict[str, Any]:
    """Of a folder with a mistake: no Ray is needed to tell of it."""
    return indexed(
        Storage.at(folder.parent / "data"), Storage.at(folder), SHAPE, lambda _splits: None, lambda _line: None
    )


def changed(column: str, row: int, value: object) -> Change:
    """One value replaced."""

    def change(clips: pd.DataFrame) -> pd.DataFrame:
        values = clips[column].to_list()
        values[row] = value
        return clips.assign(**{column: values})

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda clips: clips.drop(columns="label"),
            " has no column 'label'; valid: clip_id, domain, split, label, frames",
        ),
        (lambda clips: clips.assign(label="left"), ": column 'label' is large_string; valid: an integer"),
        (lambda clips: clips.assign(label=0.5), ": column 'label' is double; valid: an integer"),
        (lambda clips: clips.assign(clip_id=1), ": column 'clip_id' is int64; valid: a string"),
        (
            lambda clips: clips.assign(frames=[[1, 2]] * len(clips)),
            ": column 'frames' is list<element: int64>; valid: binary or large_binary, the bytes of uint8 pixels",
        ),
        (changed("domain", 3, None), " row 3, column 'domain': there is no value; valid: a string"),
        (
            lambda clips: changed("label", 2, None)(clips).astype({"label": "Int64"}),
            " row 2, column 'label': there is no value; valid: an integer",
        ),
        (changed("split", 5, "validation"), " row 5, column 'split': 'validation'; valid: train, val, test"),
        (changed("label", 4, -1), " row 4, column 'label': -1; valid: 0 or more"),
        (
            changed("domain", 1, "a/b"),
            " row 1, column 'domain': 'a/b'; valid: a name without any of the characters ,=/",
        ),
        (changed("domain", 1, ""), " row 1, column 'domain': ''; valid: a name without"),
    ],
)
def test_mistakes_that_no_pixel_has_to_be_read_for(tmp_path: Path, change: Change, sentence: str) -> None:
    folder = tmp_path / "clips"
    by_pandas(rows_of(), folder / "a.parquet")
    change(pd.DataFrame(rows_of({"rain/test": 6}))).to_parquet(folder / "b.parquet", row_group_size=2)
    with pytest.raises(BadInput) as caught:
        index(folder)
    assert str(caught.value).startswith(f"{folder}/b.parquet{sentence}")
    assert not (tmp_path / "data").exists()


def test_a_clip_that_is_there_twice(tmp_path: Path) -> None:
    first, second, *_ = rows_of({"day/train": 4})
    by_pandas([first, second], tmp_path / "clips/a.parquet")
    by_pandas([{**first, "split": "val"}, first], tmp_path / "clips/b.parquet")
    with pytest.raises(BadInput) as caught:
        index(tmp_path / "clips")
    where = f"{tmp_path}/clips/b.parquet row 1, column 'clip_id': {first['clip_id']!r}"
    assert str(caught.value) == f"{where} is also in {tmp_path}/clips/a.parquet row 0; valid: once in day/train"


@pytest.mark.parametrize(
    ("labels", "names", "sentence"),
    [
        ((0, 0), ("left", "right"), "'right' for label 0; valid: 'left', as in rows before"),
        ((0, 1), ("left", "left"), "'left' for label 1 is the name of label 0; valid: another name"),
    ],
)
def test_names_that_are_not_one_for_each_label(
    tmp_path: Path, labels: tuple[int, int], names: tuple[str, str], sentence: str
) -> None:
    rows: list[Row] = [
        {**row, "label": label, "label_name": name}
        for row, label, name in zip(rows_of({"day/train": 2}), labels, names, strict=True)
    ]
    by_pandas(rows, tmp_path / "clips/a.parquet")
    with pytest.raises(BadInput, match=rf"a\.parquet row 1, column 'label_name': {sentence}"):
        index(tmp_path / "clips")


def test_files_that_are_no_parquet_files(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    with pytest.raises(BadInput, match=f"folder of clips '{folder}' has no Parquet file; valid: one with files"):
        index(folder)
    whole = by_pandas(rows_of(), folder / "a.parquet").read_bytes()
    with pytest.raises(BadInput, match=r"a\.parquet' is a file; valid: the folder that it is in"):
        index(folder / "a.parquet")
    (folder / "b.parquet").write_bytes(whole[:-100])
    with pytest.raises(BadInput, match=rf"{folder}/b\.parquet cannot be read \(.*\); valid: a whole Parquet file"):
        index(folder)


def test_damage_among_the_pixels_is_told(tmp_path: Path) -> None:
    plain = [{**row, "frames": bytes(range(256)) * (SIZE // 256)} for row in rows_of()]
    path = by_pandas(plain, tmp_path / "a.parquet", compression="zstd")
    frames = pq.read_metadata(path).row_group(0).column(5)
    assert frames.path_in_schema == "frames"
    content, page = bytearray(path.read_bytes()), frames.dictionary_page_offset + 30
    content[page : page + 100] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.parquet cannot be read \(.*\); valid: a whole Parquet file"):
        digests_of(Storage.at(tmp_path), "a.parquet", SHAPE)


@pytest.mark.parametrize(
    ("length", "sentence"),
    [
        (SIZE // 2, "3,072 bytes are 4 frames of 3 x 16 x 16; valid: 8 frames"),
        (2 * SIZE, "12,288 bytes are 16 frames of 3 x 16 x 16; valid: 8 frames"),
        (0, "0 bytes are 0 frames of 3 x 16 x 16; valid: 8 frames"),
        (1000, "1,000 bytes; valid: 6,144 bytes, 8 frames of 3 x 16 x 16"),
        (None, "there is no value; valid: binary or large_binary, the bytes of uint8 pixels"),
    ],
)
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_clips_of_another_size(tmp_path: Path, length: int | None, sentence: str, kind: pa.DataType) -> None:
    frames: list[bytes | None] = [bytes(SIZE)] * 20
    frames[17] = None if length is None else bytes(length)
    table = pa.table({"label": [0] * 20, "frames": pa.array(frames, kind)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    with pytest.raises(BadInput) as caught:
        digests_of(Storage.at(tmp_path), "a.parquet", SHAPE)
    assert str(caught.value) == f"{tmp_path}/a.parquet row 17, column 'frames': {sentence}"
    require_frames("a", pa.array(frames, kind)[:17], SHAPE)
    require_frames("a", pa.array(frames, kind)[18:], SHAPE)
