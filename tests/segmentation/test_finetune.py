"""The real network is trained on drawn divers, at the size of a stamp."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.identity import seed_for
from rac_ray.segmentation import finetune as module
from rac_ray.segmentation.finetune import FINETUNE_RECORD, Tuned, finetune, mirrored
from rac_ray.segmentation.frames import FrameFiles, find_frames, read_frame, split_frames
from rac_ray.segmentation.network import build_network, read_checkpoint
from rac_ray.segmentation.settings import Settings
from rac_ray.store.files import BEST_CHECKPOINT, LAST_CHECKPOINT
from rac_ray.store.storage import Storage
from tests.segmentation.conftest import write_frames

CPU = torch.device("cpu")
SMALL = Settings(weights="none", min_size=64, max_size=96, max_epochs=2)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[FrameFiles]:
    """Two to train on, one held out."""
    return find_frames(write_frames(tmp_path_factory.mktemp("frames") / "f", ["a_1", "b_1", "c_1"]))


@pytest.fixture(scope="module")
def whole(
    frames: list[FrameFiles], tmp_path_factory: pytest.TempPathFactory, torchvision: None
) -> tuple[Storage, Tuned, list[dict[str, Any]]]:
    """Two epochs of one step, uninterrupted."""
    out, rows = Storage.at(tmp_path_factory.mktemp("whole")), []
    return out, finetune(frames, out, SMALL, device=CPU, report=rows.append), rows


def test_two_steps_change_the_weights(
    whole: tuple[Storage, Tuned, list[dict[str, Any]]], frames: list[FrameFiles]
) -> None:
    out, tuned, rows = whole
    assert tuned.epochs == rows
    assert [row["epoch"] for row in rows] == [0, 1]
    assert all(np.isfinite(row["train_loss"]) for row in rows)
    assert set(rows[0]) == {"epoch", "train_loss", "val_iou_boxes", "mask_ap", "mask_ap50", "seconds"}
    assert 0 <= rows[0]["val_iou_boxes"] <= 1
    torch.manual_seed(seed_for("heads", SMALL.seed))
    before = build_network("none", 64, 96).state_dict()
    after = torch.load(f"{out.root}/{LAST_CHECKPOINT}", weights_only=True)["network"]
    assert before.keys() == after.keys()
    assert not torch.equal(before["backbone.body.conv1.weight"], after["backbone.body.conv1.weight"])
    assert read_checkpoint(f"{out.root}/{BEST_CHECKPOINT}").min_size == 64
    record = json.loads(Path(out.root, FINETUNE_RECORD).read_text())
    train, val = split_frames(frames)
    assert (record["train"], record["val"]) == ([each.name for each in train], [each.name for each in val])
    assert record["best_epoch"] == tuned.best["epoch"]


def test_going_on_ends_at_the_same_bits(
    whole: tuple[Storage, Tuned, list[dict[str, Any]]], frames: list[FrameFiles], tmp_path: Path
) -> None:
    """Stopped after an epoch, and once more before its record was written."""
    out = Storage.at(tmp_path)
    finetune(frames, out, replace(SMALL, max_epochs=1), device=CPU)
    content = torch.load(tmp_path / LAST_CHECKPOINT, weights_only=True)
    finetune(frames, out, SMALL, device=CPU)
    record = out.read_json(FINETUNE_RECORD)
    out.write_json(FINETUNE_RECORD, {**record, "epochs": record["epochs"][:1]})
    tuned = finetune(frames, out, SMALL, device=CPU)
    assert out.read_json(FINETUNE_RECORD) == record
    assert torch.load(tmp_path / LAST_CHECKPOINT, weights_only=True)["epochs"][:1] == content["epochs"]
    for one, other in zip(tuned.epochs, whole[1].epochs, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}
    weights, expected = (
        torch.load(f"{each.root}/{LAST_CHECKPOINT}", weights_only=True)["network"] for each in (out, whole[0])
    )
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_what_is_finished_is_not_trained_again(
    whole: tuple[Storage, Tuned, list[dict[str, Any]]], frames: list[FrameFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("built a network")

    monkeypatch.setattr(module, "build_network", refuse)
    assert finetune(frames, whole[0], SMALL, device=CPU).epochs == whole[1].epochs


def test_other_settings_and_frames_are_refused(
    whole: tuple[Storage, Tuned, list[dict[str, Any]]], frames: list[FrameFiles]
) -> None:
    with pytest.raises(BadInput, match=r"was trained with learning_rate 0\.005 instead of 0\.1; choose another folder"):
        finetune(frames, whole[0], replace(SMALL, learning_rate=0.1), device=CPU)
    other = [replace(frame, image=frame.image.with_stem(f"z{number}")) for number, frame in enumerate(frames)]
    with pytest.raises(BadInput, match=r"was trained on other frames; choose another folder"):
        finetune(other, whole[0], SMALL, device=CPU)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"settings": [], "train": [], "val": [], "epochs": []}',
     b'{"settings": {}, "train": [], "val": [], "epochs": [{"epoch": 0}]}'],
)  # fmt: skip
def test_a_damaged_record_is_told(content: bytes, frames: list[FrameFiles], tmp_path: Path) -> None:
    (tmp_path / FINETUNE_RECORD).write_bytes(content)
    with pytest.raises(BadInput, match=r"/record\.json is damaged; choose another folder"):
        finetune(frames, Storage.at(tmp_path), SMALL, device=CPU)


def test_bad_input_is_told(frames: list[FrameFiles], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="2 training frames do not fill a batch of 3"):
        finetune(frames, Storage.at(tmp_path), replace(SMALL, batch_size=3), device=CPU)


def begun(frames: Sequence[FrameFiles], epochs: int) -> dict[str, Any]:
    train, val = split_frames(frames)
    rows = [row(epoch, 0.0) for epoch in range(epochs)]
    names = {"train": [each.name for each in train], "val": [each.name for each in val]}
    return {"settings": SMALL.identity(), **names, "epochs": rows}


def row(epoch: int, iou: float) -> dict[str, Any]:
    return {"epoch": epoch, "val_iou_boxes": iou}


@pytest.mark.usefixtures("torchvision")
def test_a_damaged_checkpoint_is_told(frames: list[FrameFiles], tmp_path: Path) -> None:
    (tmp_path / FINETUNE_RECORD).write_text(json.dumps(begun(frames, 1)))
    (tmp_path / LAST_CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(BadInput, match=r"last\.ckpt is damaged \(.*\); delete the folder to train again"):
        finetune(frames, Storage.at(tmp_path), SMALL, device=CPU)


@pytest.mark.usefixtures("torchvision")
def test_a_loss_that_is_not_finite_is_told(
    frames: list[FrameFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exploding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, *_batch: object) -> dict[str, torch.Tensor]:
            return {"loss": self.weight.sum() * torch.inf}

    monkeypatch.setattr(module, "build_network", lambda *_arguments: Exploding())
    with pytest.raises(BadInput, match=r"the loss is inf in epoch 1; a lower --learning-rate may help"):
        finetune(frames, Storage.at(tmp_path), SMALL, device=CPU)


def test_early_stopping_counts_epochs_since_the_first_best() -> None:
    settings = replace(SMALL, max_epochs=100, patience=20)
    best_then_flat = [row(0, 0.2), row(1, 0.5), *(row(epoch, 0.5) for epoch in range(2, 21))]
    assert Tuned(best_then_flat).best["epoch"] == 1
    assert not Tuned(best_then_flat).finished(settings)
    assert Tuned([*best_then_flat, row(21, 0.4)]).finished(settings)
    assert not Tuned([]).finished(settings)


def test_when_to_stop_is_no_part_of_what_was_trained() -> None:
    assert replace(SMALL, max_epochs=5, patience=1).identity() == SMALL.identity()
    assert replace(SMALL, seed=0).identity() != SMALL.identity()


def test_mirroring_moves_boxes_with_masks(frames: list[FrameFiles]) -> None:
    labelled = read_frame(frames[1])
    twice = mirrored(mirrored(labelled))
    np.testing.assert_array_equal(twice.boxes, labelled.boxes)
    once = mirrored(labelled)
    x0, y0, x1, y1 = once.boxes[0].astype(int)
    columns = np.flatnonzero(once.masks[0].any(axis=0))
    rows = np.flatnonzero(once.masks[0].any(axis=1))
    assert [x0, y0, x1, y1] == [columns[0], rows[0], columns[-1], rows[-1]]
