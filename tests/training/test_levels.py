"""Which epochs levels keep: by hand, through a real fit, and over a crash."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rac_ray.data.loading import ResidentBatches
from rac_ray.data.shards import Clips
from rac_ray.errors import BadInput
from rac_ray.models import build_model
from rac_ray.storage import Storage
from rac_ray.training import progress
from rac_ray.training.classifier import Classifier
from rac_ray.training.fit import Fit, fit_batches
from rac_ray.training.levels import Levels, drop_others, keep, level_file, predictions_file, weights_of
from rac_ray.identity import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=5, patience=5)


def offered(levels: Levels, *top1: float) -> list[bool]:
    return [levels.offer(epoch, each) for epoch, each in enumerate(top1)]


def test_the_nearest_epoch_is_kept_the_earlier_on_ties() -> None:
    levels = Levels([0.25, 0.5])
    assert offered(levels, 0.125, 0.375, 0.625, 0.5, 0.3125, 0.1) == [True, True, False, True, True, False]
    assert levels.kept == {0.25: (4, 0.3125), 0.5: (3, 0.5)}
    assert levels.epochs == {3, 4}


def test_levels_share_an_epoch_and_no_more_are_kept_than_levels() -> None:
    levels = Levels([0.3, 0.35, 0.383, 0.5007])
    offered(levels, 0.2)
    assert levels.epochs == {0}
    for epoch, top1 in enumerate([0.29, 0.36, 0.41, 0.49, 0.52], 1):
        levels.offer(epoch, top1)
        assert len(levels.epochs) <= 4
    assert {level: epoch for level, (epoch, _) in levels.kept.items()} == {0.3: 1, 0.35: 2, 0.383: 2, 0.5007: 4}


def test_levels_are_passed_when_an_epoch_reaches_the_highest() -> None:
    levels = Levels([0.3, 0.5])
    offered(levels, 0.3, 0.499)
    assert not levels.passed
    offered(levels, 0.3, 0.5)
    assert levels.passed


@pytest.mark.parametrize("wanted", [(), (0.3, 0.0), (30.0,)])
def test_levels_are_shares(wanted: tuple[float, ...]) -> None:
    with pytest.raises(BadInput, match=r"levels of validation top-1 are \[.*\]; valid: one or more above 0, at most 1"):
        Levels(wanted)


def test_files_come_and_go(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    models = [torch.nn.Linear(2, 1) for _ in range(3)]
    for epoch, model in enumerate(models):
        keep(folder, epoch, model)
    folder.write_bytes("last.ckpt", b"")
    drop_others(folder, {1})
    assert sorted(folder.names()) == ["last.ckpt", level_file(1)]
    assert torch.equal(weights_of(folder, 1)["weight"], models[1].weight)


def test_new_weights_have_no_predictions_yet(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    for epoch in (1, 2):
        folder.write_bytes(predictions_file(epoch), b"of before")
    keep(folder, 1, torch.nn.Linear(2, 1))
    assert sorted(folder.names()) == [level_file(1), predictions_file(2)]


class Stopped(Exception):
    pass


@pytest.fixture
def fitted(make_clips: Callable[..., Clips], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Fit, Levels]]:
    torch.set_num_threads(1)
    monkeypatch.setattr(progress, "CHECKPOINT_SECONDS", 0.0)
    train, val = make_clips(32), make_clips(20, "2dot/val")

    def run(folder: Path, wanted: tuple[float, ...], **options: Any) -> tuple[Fit, Levels]:
        torch.manual_seed(3)
        classifier = Classifier(build_model("cnn3d", 4), RECIPE)
        batches = ResidentBatches(train, 8, order_seed=1), ResidentBatches(val, 8)
        levels = Levels(wanted)
        return fit_batches(classifier, *batches, Storage.at(folder), device=CPU, levels=levels, **options), levels

    return run


def test_a_fit_leaves_the_checkpoints_of_its_levels(fitted: Callable[..., tuple[Fit, Levels]], tmp_path: Path) -> None:
    result, levels = fitted(tmp_path, (0.25, 0.4, 0.9))
    val = [row["val_top1"] for row in result.epochs]
    for level, (epoch, top1) in levels.kept.items():
        off = [abs(each - level) for each in val]
        assert (epoch, top1) == (off.index(min(off)), val[epoch])
    there = {path.name for path in tmp_path.glob("level-*")}
    assert there == {level_file(epoch) for epoch in levels.epochs}
    best = weights_of(Storage.at(tmp_path), result.best_epoch)
    assert all(torch.equal(value, best[name]) for name, value in result.model.state_dict().items())


def test_after_a_crash_the_same_checkpoints_are_there(
    fitted: Callable[..., tuple[Fit, Levels]], tmp_path: Path
) -> None:
    whole, levels = fitted(tmp_path / "whole", (0.25, 0.4, 0.9))

    def crash(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise Stopped

    with pytest.raises(Stopped):
        fitted(tmp_path / "parts", (0.25, 0.4, 0.9), report=crash)
    parts, again = fitted(tmp_path / "parts", (0.25, 0.4, 0.9))
    assert again.kept == levels.kept
    assert [row["val_top1"] for row in parts.epochs] == [row["val_top1"] for row in whole.epochs]
    folders = [Storage.at(tmp_path / name) for name in ("whole", "parts")]
    names = [sorted(name for name in folder.names() if name.startswith("level-")) for folder in folders]
    assert names[0] == names[1]
    for epoch in levels.epochs:
        one, other = (weights_of(folder, epoch) for folder in folders)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_may_stop_when_all_levels_are_passed(
    fitted: Callable[..., tuple[Fit, Levels]], tmp_path: Path
) -> None:
    whole, _ = fitted(tmp_path / "whole", (0.05,))
    first = next(row["epoch"] for row in whole.epochs if row["val_top1"] >= 0.05)
    stopped, levels = fitted(tmp_path / "stopped", (0.05,), stop_when_passed=True)
    assert [row["epoch"] for row in stopped.epochs] == list(range(first + 1))
    assert levels.passed
    again, _ = fitted(tmp_path / "stopped", (0.05,), stop_when_passed=True)
    assert len(again.epochs) == first + 1
