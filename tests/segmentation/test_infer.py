"""Real shards of real videos through a real Ray Data pipeline and the real network, at the size of a stamp."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rac_ray.data.manifest import shard_contents
from rac_ray.data.masks import HEIGHT, WIDTH, MaskTable, require_made_of, write_masks
from rac_ray.errors import BadInput
from rac_ray.segmentation.infer import SegmentationSummary, require_same, resized_tensors, segment_clips, segmented
from rac_ray.segmentation.network import build_network, packed, read_checkpoint
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import find_clip
from rac_ray.studies.diving48.shape_texture import render
from tests.segmentation.conftest import FRAMES

CPU = torch.device("cpu")
FEWER = 5.0
"""Makes the background likelier: masks of fewer divers are quicker."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, torchvision: None) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "best.ckpt"
    network: Any = build_network("none", 64, 96)
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.bias[0] += FEWER
    path.write_bytes(packed(network, 64, 96))
    return str(path)


def test_all_clips_get_masks_and_nothing_is_made_twice(shards: Storage, checkpoint: str, tmp_path: Path) -> None:
    out, lines = Storage.at(tmp_path / "masks"), []
    found = segment_clips(shards, out, checkpoint, lines.append, actors=1)
    assert (found.shards, found.made, found.clips) == (3, 3, 4)
    assert len(lines) == 3
    assert lines[-1].startswith("masks 4/4 clips: ")
    assert lines[-1].endswith(" clips/s, none left")
    names = {path.name for path in (tmp_path / "masks").glob("*.parquet")}
    assert names == {name for name in shards.names() if name.endswith(".parquet")}
    before = {name: (tmp_path / "masks" / name).stat().st_mtime_ns for name in names}
    assert segment_clips(shards, out, checkpoint) == SegmentationSummary(3, 0, 0, 0)

    (tmp_path / "masks/train-00001-of-00002.parquet").unlink()
    again = segment_clips(shards, out, checkpoint, actors=1)
    assert (again.made, again.clips) == (1, 1)
    after = {name: (tmp_path / "masks" / name).stat().st_mtime_ns for name in names}
    assert [name for name in names if before[name] != after[name]] == ["train-00001-of-00002.parquet"]

    table, network = MaskTable.read(Storage.at(tmp_path), "masks"), read_checkpoint(checkpoint).network()
    clip_id = "testVideo0_00000"
    assert table.clip_ids() == [clip_id, *(f"trainVideo{number}_0000{number}" for number in range(3))]
    frames = find_clip(shards, clip_id)
    masks = table.clip(clip_id, FRAMES, HEIGHT, WIDTH)
    with torch.inference_mode():
        (said,) = network([resized_tensors(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)[0]])
    assert len(masks[0].shape) == len(said["scores"]) > 0
    np.testing.assert_array_equal(masks[0].support, (said["masks"][:, 0] > 0).numpy())
    assert render("s1", frames, masks).shape == (FRAMES, HEIGHT, WIDTH, 3)


@pytest.mark.slow
def test_masks_of_other_pixels_are_made_again(shards: Storage, checkpoint: str, tmp_path: Path) -> None:
    """A video was mended or exchanged, and its shard decoded again: that shard has another content."""
    data, out = Storage.at(shutil.copytree(shards.root, tmp_path / "data")), Storage.at(tmp_path / "masks")
    segment_clips(data, out, checkpoint, actors=1, splits=["test"])
    manifest, name = data.read_json("manifest.json"), "test-00000-of-00001.parquet"
    require_made_of(out.root, shard_contents(manifest, ["test"]))
    manifest["splits"]["test"]["shards"][0]["content"] = "0" * 64
    data.write_json("manifest.json", manifest)
    with pytest.raises(BadInput, match=f"were made of other clips than {name} has now"):
        require_made_of(out.root, shard_contents(manifest, ["test"]))
    lines: list[str] = []
    assert segment_clips(data, out, checkpoint, lines.append, actors=1, splits=["test"]).made == 1
    assert f"masks {out.address(name)} are not of the clips that {name} has now; they are made again" in lines
    require_made_of(out.root, shard_contents(manifest, ["test"]))
    out.write_bytes(name, out.read_bytes(name)[:500])
    assert segment_clips(data, out, checkpoint, actors=1, splits=["test"]).made == 1
    assert segment_clips(data, out, checkpoint, actors=1, splits=["test"]).made == 0


def test_what_does_not_fit_is_told(shards: Storage, checkpoint: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no split 'val'; valid: test, train"):
        segment_clips(shards, Storage.at(tmp_path / "masks"), checkpoint, splits=["val"])
    with pytest.raises(BadInput, match="has no manifest"):
        segment_clips(Storage.at(tmp_path / "nothing"), Storage.at(tmp_path / "masks"), checkpoint)
    with pytest.raises(BadInput, match="there are no weights at"):
        segment_clips(shards, Storage.at(tmp_path / "masks"), "nowhere.ckpt")
    out = Storage.at(tmp_path / "masks")
    out.write_json("segmentation.json", {"weights": "of another network"})
    with pytest.raises(BadInput, match="holds masks made with other weights; choose another folder"):
        segment_clips(shards, out, checkpoint)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"masks"', b"\xff"])
def test_a_damaged_note_of_what_made_the_masks_is_told(content: bytes, tmp_path: Path) -> None:
    out = Storage.at(tmp_path)
    require_same(out, {"weights": "a"})
    out.write_bytes("segmentation.json", content)
    with pytest.raises(BadInput, match=r"/segmentation\.json, which says what made these masks, is damaged; choose an"):
        require_same(out, {"weights": "a"})
    out.write_json("segmentation.json", {"weights": "a", "more": 1})
    require_same(out, {"weights": "a"})


class OneInBright(torch.nn.Module):
    """Stands for the network: one diver in a frame that is not black."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        assert all(image.shape == (3, HEIGHT, WIDTH) for image in images)
        self.steps.append(len(images))
        return [self.said(int(image.max() > 0)) for image in images]

    def said(self, count: int) -> dict[str, torch.Tensor]:
        masks = torch.full((count, 1, HEIGHT, WIDTH), 0.5)
        return {"masks": masks, "scores": torch.full((count,), 0.75), "boxes": torch.tensor([[1, 2, 3, 4.0]])[:count]}


def test_frames_are_numbered_over_steps() -> None:
    frames = np.zeros((5, 12, 16, 3), np.uint8)
    frames[[1, 4]] = 255
    network = OneInBright()
    rows = segmented(network, "a_00001", frames, CPU, 2)
    assert network.steps == [2, 2, 1]
    assert [(row["frame"], row["score"], row["y1"]) for row in rows] == [(1, 0.75, 4.0), (4, 0.75, 4.0)]


def test_a_clip_without_divers_has_been_looked_at(tmp_path: Path) -> None:
    rows = segmented(OneInBright(), "a_00001", np.zeros((3, 12, 16, 3), np.uint8), CPU, 2)
    assert rows == []
    write_masks(Storage.at(tmp_path), "a.parquet", rows, ["a_00001"])
    found = MaskTable.read(Storage.at(tmp_path), "a.parquet").clip("a_00001", 3, HEIGHT, WIDTH)
    assert [len(each.shape) for each in found] == [0] * 3


def test_images_are_resized_as_tensors_without_antialiasing() -> None:
    image = torch.zeros(1, 3, 2 * HEIGHT, 2 * WIDTH)
    image[..., ::4, :] = 1.0
    assert resized_tensors(image).shape == (1, 3, HEIGHT, WIDTH)
    assert set(resized_tensors(image).unique().tolist()) == {0.0, 0.5}
