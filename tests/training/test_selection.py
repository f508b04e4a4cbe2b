"""Which epochs levels keep: by hand, through a real fit, and over a crash."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rac_ray.data.order import Share
from rac_ray.data.resident import ResidentBatches
from rac_ray.data.shards import Clips
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.models import Builder
from rac_ray.store.files import level_file
from rac_ray.store.storage import Storage
from rac_ray.training import progress
from rac_ray.training.checkpoints import weights_in
from rac_ray.training.fit import Fit, fit
from rac_ray.training.selection import REACH, RUNG, Keeper, Selected, Selection

CPU = torch.device("cpu")
RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=5, patience=5, precision="32")


def offered(keeper: Keeper, *top1: float) -> list[bool]:
    return [keeper.offer(epoch, each) for epoch, each in enumerate(top1)]


def test_the_nearest_epoch_is_kept_the_earlier_on_ties() -> None:
    keeper = Keeper([0.25, 0.5])
    assert offered(keeper, 0.125, 0.375, 0.625, 0.5, 0.3125, 0.1) == [True, True, False, True, True, False]
    assert keeper.kept == {0.25: (4, 0.3125), 0.5: (3, 0.5)}
    assert keeper.epochs == {3: 0.5, 4: 0.3125}


def test_levels_share_an_epoch_and_no_more_are_kept_than_levels() -> None:
    keeper = Keeper([0.3, 0.35, 0.383, 0.5007])
    offered(keeper, 0.2)
    assert set(keeper.epochs) == {0}
    for epoch, top1 in enumerate([0.29, 0.36, 0.41, 0.49, 0.52], 1):
        keeper.offer(epoch, top1)
        assert len(keeper.epochs) <= 4
    assert {level: epoch for level, (epoch, _) in keeper.kept.items()} == {0.3: 1, 0.35: 2, 0.383: 2, 0.5007: 4}


@pytest.mark.parametrize("wanted", [(0.3, 0.0), (30.0,)])
def test_levels_are_shares(wanted: tuple[float, ...]) -> None:
    with pytest.raises(BadInput, match=r"levels of validation top-1 are \[.*\]; valid: above 0, at most 1"):
        Selection(wanted)


def rows(*top1: float) -> list[dict[str, Any]]:
    return [{"epoch": epoch, "val_top1": each} for epoch, each in enumerate(top1)]


def test_without_levels_the_best_epoch_is_selected_the_first_on_ties() -> None:
    selection = Selection()
    assert selection.keeper() is None
    assert selection.wanted == (None,)
    assert selection.selected(rows(0.1, 0.5, 0.5, 0.2), {}) == [Selected(None, 1, 0.5)]


def test_a_level_that_was_not_reached_is_told() -> None:
    selection, top1 = Selection((0.3, 0.41, 0.5)), (0.2, 0.31, 0.405)
    keeper = selection.keeper()
    assert keeper
    offered(keeper, *top1)
    assert selection.selected(rows(*top1), keeper.epochs) == [
        Selected(0.3, 1, 0.31), Selected(0.41, 2, 0.405), Selected(0.5, 2, 0.405, reached=False),
    ]  # fmt: skip


def test_the_ladder_has_a_checkpoint_near_any_level_that_is_asked_for_later() -> None:
    selection = Selection((0.5,))
    keeper = selection.keeper()
    assert keeper
    top1 = [0.011 * epoch for epoch in range(1, 60)]
    offered(keeper, *top1)
    assert len(keeper.epochs) <= 1 + round(1 / RUNG)
    for level in (0.1, 0.333, 0.47, 0.601):
        (found,) = selection.among([level], max(top1), keeper.epochs)
        assert found.reached
        assert abs(found.val_top1 - level) <= REACH + 0.011 / 2


class Stopped(Exception):
    pass


@pytest.fixture
def fitted(make_clips: Callable[..., Clips], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Fit, Keeper]]:
    torch.set_num_threads(1)
    monkeypatch.setattr(progress, "CHECKPOINT_SECONDS", 0.0)
    train, val = make_clips(32), make_clips(20, "2dot/val")

    def run(folder: Path, wanted: tuple[float, ...], recipe: Recipe = RECIPE, **options: Any) -> tuple[Fit, Keeper]:
        batches = ResidentBatches(train, Share(8, key=1)), ResidentBatches(val, Share(8, whole_steps=False))
        keeper = Keeper(wanted)
        where = Storage.at(folder)
        return fit(Builder("cnn3d", 4), recipe, 3, *batches, where, device=CPU, keeper=keeper, **options), keeper

    return run


def test_a_fit_leaves_the_checkpoints_of_its_levels(fitted: Callable[..., tuple[Fit, Keeper]], tmp_path: Path) -> None:
    result, keeper = fitted(tmp_path, (0.25, 0.4, 0.9))
    val = [row["val_top1"] for row in result.epochs]
    for level, (epoch, top1) in keeper.kept.items():
        off = [abs(each - level) for each in val]
        assert (epoch, top1) == (off.index(min(off)), val[epoch])
    there = {path.name for path in tmp_path.glob("level-*")}
    assert there == {level_file(epoch) for epoch in keeper.epochs}
    assert result.kept == keeper.epochs
    best = weights_in(Storage.at(tmp_path), level_file(result.best_epoch))
    assert all(torch.equal(value, best[name]) for name, value in result.model.state_dict().items())


def test_after_a_crash_the_same_checkpoints_are_there(
    fitted: Callable[..., tuple[Fit, Keeper]], tmp_path: Path
) -> None:
    whole, keeper = fitted(tmp_path / "whole", (0.25, 0.4, 0.9))

    def crash(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise Stopped

    with pytest.raises(Stopped):
        fitted(tmp_path / "parts", (0.25, 0.4, 0.9), report=crash)
    parts, again = fitted(tmp_path / "parts", (0.25, 0.4, 0.9))
    assert again.kept == keeper.kept
    assert [row["val_top1"] for row in parts.epochs] == [row["val_top1"] for row in whole.epochs]
    folders = [Storage.at(tmp_path / name) for name in ("whole", "parts")]
    names = [sorted(name for name in folder.names() if name.startswith("level-")) for folder in folders]
    assert names[0] == names[1]
    for epoch in keeper.epochs:
        one, other = (weights_in(folder, level_file(epoch)) for folder in folders)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_may_stop_at_a_top1(fitted: Callable[..., tuple[Fit, Keeper]], tmp_path: Path) -> None:
    whole, _ = fitted(tmp_path / "whole", (0.05,))
    first = next(row["epoch"] for row in whole.epochs if row["val_top1"] >= 0.05)
    recipe = Recipe(**{**vars(RECIPE), "stop_at": 0.05})
    for _ in range(2):
        stopped, _ = fitted(tmp_path / "stopped", (0.05,), recipe)
        assert [row["epoch"] for row in stopped.epochs] == list(range(first + 1))
