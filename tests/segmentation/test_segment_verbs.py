"""The commands of docs/diving48.md, in their order, and what they say of bad input."""

import shlex
import shutil
from pathlib import Path

import pytest

from rac_ray.cli.segment import segment_main
from rac_ray.data.masks import MaskTable
from rac_ray.store.storage import Storage
from tests.docs.pages import SEGMENTATION
from tests.segmentation.conftest import write_frames

SMALL = ["--weights", "none", "--max-epochs", "1", "--min-size", "64", "--max-size", "96", "--device", "cpu"]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stopped:
            segment_main(arguments)
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


def test_the_readme_commands_in_their_order(command, shards: Storage, tmp_path: Path) -> None:
    """Their frames and shards are small ones, and so is the network."""
    train, masks = (shlex.split(line)[2:] for line in SEGMENTATION)
    assert (train[0], masks[0]) == ("train", "masks")
    write_frames(tmp_path / "FRAMES", ["a_1", "b_1", "c_1"])
    code, out, err = command(*train, *SMALL)
    assert (code, err) == (0, "")
    epoch, last = out.splitlines()
    assert epoch.startswith("epoch 1: train_loss ")
    assert "best.ckpt: epoch 1 of 1, val_iou_boxes " in last
    shutil.copytree(shards.root, tmp_path / "data/diving48")
    code, out, err = command(*masks, "--actors", "1")
    assert (code, err) == (0, "")
    assert ": masks of 1 of 1 shard made, 1 clip, " in out
    made = list((tmp_path / masks[-1]).glob("*.parquet"))
    assert [path.name for path in made] == ["test-00000-of-00001.parquet"]
    assert MaskTable.read(Storage.at(tmp_path), masks[-1]).clip_ids() == ["testVideo0_00000"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["train", "nowhere", "--out", "o"],
            "there is no folder 'nowhere'; frames are images in images/ and masks in ",
        ),
        (["train", "FRAMES", "--out", "o", "--holdout", "clip"], "unknown hold-out 'clip'; valid: video, frames"),
        (["train", "FRAMES", "--out", "o", "--device", "tpu"], "unknown device 'tpu'; valid: auto, cpu, cuda"),
        (["train", "FRAMES", "--out", "o", "--batch-size", "0"], "--batch-size is 0; valid: 1 or more"),
        (["train", "FRAMES", "--out", "o", "--weights", "no.pth"], "there are no weights at 'no.pth'; valid: coco, "),
        (["train", "FRAMES"], "out is required; see "),
        (
            ["masks", "data", "--checkpoint", "c.pt", "--out", "o", "--frames-per-step", "0"],
            "frames per step: 0; valid: 1",
        ),
        (["masks", "data", "--checkpoint", "c.pt", "--out", "o", "--actors", "0"], "actors: 0; valid: 1 or more"),
        (["masks", "data", "--checkpoint", "c.pt", "--out", "o", "--splits", ","], "--splits names nothing; give one"),
    ],
)
def test_bad_input_is_one_sentence(command, arguments: list[str], sentence: str, tmp_path: Path) -> None:
    write_frames(tmp_path / "FRAMES", ["a_1", "b_1", "c_1"])
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {sentence}")
    assert err.count("\n") == 1
    assert not (tmp_path / "o").exists()
