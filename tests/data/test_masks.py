from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from rac_ray.data.masks import (
    MaskTable,
    decoded,
    encoded,
    made_of,
    mask_files,
    require_made_of,
    rows_of,
    write_masks,
)
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage

HEIGHT, WIDTH = 12, 20


def soft(x: int, value: float) -> NDArray[np.float32]:
    """A square at column ``x``, ``value`` inside and 0.2 on a rim around it."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[2:8, x : x + 6] = 0.2
    mask[3:7, x + 1 : x + 5] = value
    return mask


def two_divers(clip_id: str = "a_00001", frame: int = 0) -> list[dict[str, object]]:
    masks = np.stack([soft(1, 0.5), soft(10, 0.9)])
    boxes = np.array([[1, 2, 7, 8], [10, 2, 16, 8]], np.float32)
    return rows_of(clip_id, frame, masks, [0.3, 0.8], boxes)


@pytest.mark.parametrize("fill", [0, 1])
def test_empty_and_full_masks_survive(fill: int) -> None:
    mask = np.full((HEIGHT, WIDTH), bool(fill))
    assert (decoded(encoded(mask), HEIGHT, WIDTH) == mask).all()


def test_random_masks_survive() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((HEIGHT, WIDTH)) < 0.3
        assert (decoded(encoded(mask), HEIGHT, WIDTH) == mask).all()


def test_run_lengths_of_another_size_are_refused() -> None:
    with pytest.raises(BadInput, match="do not fill 13 x 20 pixels"):
        decoded(encoded(np.ones((HEIGHT, WIDTH), bool)), 13, WIDTH)


def test_instances_are_ranked_by_score_with_both_masks(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    write_masks(folder, "masks.parquet", [*two_divers(frame=2), *two_divers("b_00002")])
    table = MaskTable.read(folder, "masks.parquet")
    assert table.clip_ids() == ["a_00001", "b_00002"]
    frames = table.clip("a_00001", 3, HEIGHT, WIDTH)
    assert [len(each.shape) for each in frames] == [0, 0, 2]
    assert (frames[2].shape[0] == (soft(10, 0.9) > 0.4)).all()
    assert (frames[2].support[1] == (soft(1, 0.5) > 0)).all()
    assert frames[0].shape.shape == (0, HEIGHT, WIDTH)


def test_a_folder_of_files_is_one_table(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path / "masks")
    write_masks(folder, "b.parquet", two_divers("b_00002"), ["c_00003"])
    write_masks(folder, "a.parquet", two_divers("a_00001"))
    folder.write_bytes("other.json", b"{}")
    table = MaskTable.read(Storage.at(tmp_path), "masks")
    assert table.clip_ids() == ["a_00001", "b_00002", "c_00003"]
    assert [len(table.clip(clip_id, 1, HEIGHT, WIDTH)[0].shape) for clip_id in table.clip_ids()] == [2, 2, 0]
    write_masks(folder, "again.parquet", two_divers("b_00002", 1))
    with pytest.raises(BadInput, match=r"clip 'b_00002' has masks in two files of '.*masks'"):
        MaskTable.read(Storage.at(tmp_path), "masks")
    with pytest.raises(BadInput, match=r"nowhere' has no Parquet files of masks"):
        MaskTable.read(Storage.at(tmp_path), "nowhere")


def test_other_tools_read_it(tmp_path: Path) -> None:
    write_masks(Storage.at(tmp_path), "masks.parquet", two_divers())
    frame = pd.read_parquet(tmp_path / "masks.parquet")
    assert frame["score"].tolist() == pytest.approx([0.8, 0.3])
    assert frame[["x0", "y0", "x1", "y1"]].to_numpy().tolist() == [[10, 2, 16, 8], [1, 2, 7, 8]]
    assert frame["instance"].tolist() == [0, 1]


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    write_masks(folder, "masks.parquet", two_divers(frame=5))
    table = MaskTable.read(folder, "masks.parquet")
    with pytest.raises(BadInput, match=r"there are no masks of clip 'z_1'"):
        table.clip("z_1", 6, HEIGHT, WIDTH)
    with pytest.raises(BadInput, match=r"clip 'a_00001' has a mask in frame 5; valid: 0 to 4"):
        table.clip("a_00001", 5, HEIGHT, WIDTH)
    with pytest.raises(BadInput, match=r"masks of clip 'a_00001' have 12 x 20 pixels; valid: 369 x 492"):
        table.clip("a_00001", 6, 369, 492)
    with pytest.raises(BadInput, match=r"2 scores and 1 boxes for masks of shape \(1, 12, 20\)"):
        rows_of("a", 0, soft(1, 0.5)[None], [0.1, 0.2], np.zeros((1, 4), np.float32))
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(BadInput, match=r"other\.parquet is no table of masks"):
        MaskTable.read(folder, "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"broken\.parquet are corrupt"):
        MaskTable.read(folder, "broken.parquet")


def test_what_a_file_of_masks_says_of_itself_is_checked(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    write_masks(folder, "whole.parquet", two_divers())
    table = pq.read_table(tmp_path / "whole.parquet")
    whole = dict(table.schema.metadata or {})
    for key, said in (("rac_ray", b"{"), ("rac_ray_clips", b"[[]]"), ("rac_ray_clips", b"3"), ("rac_ray", b"\xff")):
        pq.write_table(table.replace_schema_metadata({**whole, key.encode(): said}), tmp_path / "other.parquet")
        with pytest.raises(BadInput, match=r"^masks .*/other\.parquet are corrupt \("):
            MaskTable.read(folder, "other.parquet")
    for said in (b"{", b'["a"]', b'["a", 1]'):
        pq.write_table(table.replace_schema_metadata({**whole, b"rac_ray_masks_of": said}), tmp_path / "other.parquet")
        with pytest.raises(BadInput, match=r"^masks .*/other\.parquet are corrupt \("):
            made_of(folder, "other.parquet")


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("frame", pa.array([0, None], pa.int16()), "column 'frame' has rows without a value"),
        ("rle_shape", pa.array([None, None], pa.string()), "column 'rle_shape' has rows without a value"),
        ("height", pa.array(["high", "high"]), "Failed to parse string: 'high' as a scalar of type int16"),
        ("frame", pa.array([0, 70_000]), "Integer value 70000 not in range: -32768 to 32767"),
    ],
)
def test_columns_of_masks_are_checked(column: str, values: pa.Array, why: str, tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    write_masks(folder, "whole.parquet", two_divers())
    table = pq.read_table(tmp_path / "whole.parquet")
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, values), tmp_path / "other.parquet")
    with pytest.raises(BadInput) as refused:
        MaskTable.read(folder, "other.parquet")
    assert str(refused.value) == f"masks {tmp_path}/other.parquet are corrupt ({why})"


def test_masks_that_rot_are_noticed(tmp_path: Path) -> None:
    """Each page has a checksum."""
    folder = Storage.at(tmp_path)
    write_masks(folder, "masks.parquet", two_divers())
    content = bytearray(folder.read_bytes("masks.parquet"))
    content[60:64] = bytes(byte ^ 255 for byte in content[60:64])
    folder.write_bytes("masks.parquet", bytes(content))
    with pytest.raises(BadInput, match=r"masks\.parquet are corrupt"):
        MaskTable.read(folder, "masks.parquet")


def test_hidden_files_beside_masks_do_not_count(tmp_path: Path) -> None:
    """macOS writes such ones on disks that are not its own."""
    folder = Storage.at(tmp_path)
    write_masks(folder, "masks/a.parquet", two_divers("a_00001"))
    for name in ("._a.parquet", ".DS_Store", "._b.parquet"):
        (tmp_path / "masks" / name).write_bytes(b"\x00\x05\x16\x07")
    assert mask_files(folder, "masks") == ["masks/a.parquet"]
    assert MaskTable.read(folder, "masks").clip_ids() == ["a_00001"]
    require_made_of(f"{tmp_path}/masks", {"a.parquet": "content"})


def test_masks_know_the_clips_that_they_were_made_of(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path / "masks")
    write_masks(folder, "test-0.parquet", two_divers("a_00001"), made_of=("test-0.parquet", "first"))
    write_masks(folder, "drawn.parquet", two_divers("b_00002"))
    assert made_of(folder, "test-0.parquet") == ("test-0.parquet", "first")
    assert made_of(folder, "drawn.parquet") is None
    require_made_of(folder.root, {"test-0.parquet": "first", "test-1.parquet": "other"})
    require_made_of(f"{folder.root}/", {"train-0.parquet": "other"})
    (tmp_path / "masks/test-0.parquet").rename(tmp_path / "masks/renamed.parquet")
    sentence = (
        r"^masks .*/masks/renamed\.parquet were made of other clips than test-0\.parquet has now; "
        r"make them again with `segment_divers\.py masks`$"
    )
    for place in (folder.root, f"{folder.root}/renamed.parquet"):
        with pytest.raises(BadInput, match=sentence):
            require_made_of(place, {"test-0.parquet": "second"})
    (tmp_path / "masks/broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"broken\.parquet are corrupt"):
        require_made_of(folder.root, {})


def test_masks_of_all_shards_are_asked_for_where_all_say_whose_they_are(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path / "masks")
    contents = {"test-0.parquet": "one", "test-1.parquet": "two"}
    write_masks(folder, "test-0.parquet", two_divers("a_00001"), made_of=("test-0.parquet", "one"))
    sentence = r"masks '.*masks' lack those of 1 of 2 shards, test-1\.parquet first; make them with"
    with pytest.raises(BadInput, match=sentence):
        require_made_of(folder.root, contents, whole=True)
    assert require_made_of(folder.root, contents) == ["masks/test-0.parquet"]
    write_masks(folder, "train-0.parquet", two_divers("c_00001"), made_of=("train-0.parquet", "three"))
    write_masks(folder, "mine.parquet", two_divers("b_00002"))
    counted = ["masks/mine.parquet", "masks/test-0.parquet"]
    assert sorted(require_made_of(folder.root, contents, whole=True)) == counted, "those of training clips do not count"
