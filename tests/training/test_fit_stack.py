"""Seeds in one process against seeds alone: same bits on a CPU, whatever stops, fails, or is taken up again."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rac_ray.data.feed import Opening
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.shards import Clips
from rac_ray.data.subject import ShardSubject
from rac_ray.identity import Training
from rac_ray.models import MODELS, Builder
from rac_ray.store.storage import Storage
from rac_ray.training import progress, stack_progress
from rac_ray.training.classifier import NotFinite
from rac_ray.training.fit import DamagedCheckpoint, Fit
from rac_ray.training.fit_stack import Seat, fit_stack
from rac_ray.training.selection import Selection
from tests.training.fitting import SHAPE, fitted

SEEDS = (0, 1, 7)


class Stopped(Exception):
    pass


@pytest.fixture(autouse=True)
def one_thread_and_a_checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(progress, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture
def train(make_clips: Callable[..., Clips]) -> Clips:
    return make_clips(27)


@pytest.fixture
def val(make_clips: Callable[..., Clips]) -> Clips:
    return make_clips(13, "2dot/val")


def seat_of(training: Training, train: Clips, val: Clips, folder: Path, **options: Any) -> Seat:
    build = Builder(training.model, training.hidden_units)
    subject = ShardSubject(build, "2dot/train", "2dot/val", 5, SHAPE, Storage.at(folder))
    clips = {"2dot/train": train, "2dot/val": val}
    feeds = ClipFeeds(subject, Opening(training.seed, training.recipe.batch_size, clips=clips))
    where = Storage.at(folder / str(training.seed))
    return Seat(build, training.seed, feeds.train(), feeds.val(), where, **options)


def stack(trainings: Sequence[Training], train: Clips, val: Clips, folder: Path, **options: Any) -> list[Any]:
    seats = [seat_of(each, train, val, folder, **options) for each in trainings]
    return fit_stack(seats, trainings[0].recipe, device=torch.device("cpu"))


def without_clock(result: Fit) -> list[dict[str, Any]]:
    timed = ("seconds", "loader_wait_share")
    return [{name: value for name, value in row.items() if name not in timed} for row in result.epochs]


def require_equal(found: Fit, alone: Fit) -> None:
    assert without_clock(found) == without_clock(alone)
    assert (found.best_epoch, found.best_val_top1, found.kept) == (alone.best_epoch, alone.best_val_top1, alone.kept)
    expected = alone.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.model.state_dict().items())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "convgru" else []) for name in MODELS]
)
def test_every_seed_ends_as_alone(name: str, make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    trainings = [make_training(name, seed=seed, max_epochs=2) for seed in SEEDS]
    for found, training in zip(stack(trainings, train, val, tmp_path / "s"), trainings, strict=True):
        require_equal(found, fitted(training, train, val, tmp_path / f"alone-{training.seed}"))


@pytest.mark.parametrize(
    "recipe",
    [
        {"optimiser": "adamw", "clip_norm": 0.5, "warm_up": 0.5},
        {"optimiser": "adamw", "schedule": "cosine"},
        {"clip_norm": 0.1, "schedule": "cosine", "warm_up": 1.0, "label_smoothing": 0.1},
    ],
)
def test_with_any_optimiser_schedule_and_clipping(
    recipe: dict[str, Any], make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    """In two stacks, the second from the first one's checkpoints, and one seed at last alone."""
    trainings = [make_training("cnn3d", seed=seed, **recipe) for seed in SEEDS]
    with pytest.raises(Stopped):
        stack(trainings, train, val, tmp_path, report=stopping_after(1))
    found = [fitted(trainings[0], train, val, tmp_path / "0"), *stack(trainings[1:], train, val, tmp_path)]
    for each, training in zip(found, trainings, strict=True):
        require_equal(each, fitted(training, train, val, tmp_path / f"alone-{training.seed}"))


def test_a_seed_that_stops_early_leaves_the_others_alone(
    make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    trainings = [make_training("timesformer1", seed=seed, max_epochs=8, patience=2) for seed in range(5)]
    alone = [fitted(training, train, val, tmp_path / f"alone-{training.seed}") for training in trainings]
    assert len({len(each.epochs) for each in alone}) > 1
    for found, expected in zip(stack(trainings, train, val, tmp_path / "s"), alone, strict=True):
        require_equal(found, expected)


def test_a_seed_whose_loss_is_not_finite_harms_no_other(
    make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    trainings = [make_training("cnn3d", seed=seed) for seed in SEEDS]
    seats = [seat_of(each, train, val, tmp_path) for each in trainings]
    sound = seats[1].build

    def broken() -> nn.Module:
        model = sound()
        with torch.no_grad():
            next(model.parameters()).fill_(torch.nan)
        return model

    first, second, third = fit_stack(
        [seats[0], replace(seats[1], build=broken), seats[2]], trainings[0].recipe, device=torch.device("cpu")
    )
    assert isinstance(second, NotFinite)
    assert str(second) == "training loss is nan in epoch 1"
    assert not (tmp_path / "1" / "last.ckpt").exists()
    for found, training in ((first, trainings[0]), (third, trainings[2])):
        assert isinstance(found, Fit)
        require_equal(found, fitted(training, train, val, tmp_path / f"alone-{training.seed}"))


def stopping_after(epochs: int) -> Callable[[dict[str, Any]], None]:
    def report(row: dict[str, Any]) -> None:
        if row["epoch"] + 1 == epochs:
            raise Stopped

    return report


def test_a_stack_that_was_stopped_goes_on_in_stacks_or_alone(
    make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    """Seed 0 alone; of the others one is an epoch behind, which the other does not wait for."""
    trainings = [make_training("cnn3d", seed=seed, max_epochs=4, patience=4) for seed in SEEDS]
    with pytest.raises(Stopped):
        stack(trainings, train, val, tmp_path, report=stopping_after(2))
    shutil.copytree(tmp_path / "1", tmp_path / "earlier")
    with pytest.raises(Stopped):
        stack(trainings[1:], train, val, tmp_path, report=stopping_after(3))
    shutil.rmtree(tmp_path / "1")
    (tmp_path / "earlier").rename(tmp_path / "1")
    alone = [fitted(training, train, val, tmp_path / f"alone-{training.seed}") for training in trainings]
    require_equal(fitted(trainings[0], train, val, tmp_path / "0"), alone[0])
    for found, expected in zip(stack(trainings[1:], train, val, tmp_path), alone[1:], strict=True):
        require_equal(found, expected)


def test_one_that_has_begun_alone_goes_on_in_a_stack(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    trainings = [make_training("timesformer1", seed=seed) for seed in SEEDS]
    for training in trainings:
        with pytest.raises(Stopped):
            fitted(training, train, val, tmp_path / str(training.seed), report=stopping_after(1))
    for found, training in zip(stack(trainings, train, val, tmp_path), trainings, strict=True):
        require_equal(found, fitted(training, train, val, tmp_path / f"alone-{training.seed}"))


def test_a_checkpoint_in_the_middle_of_an_epoch(
    make_training, train: Clips, val: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MIDWAY_SECONDS", 0.0)
    monkeypatch.setattr(stack_progress, "STEPS_BETWEEN", 1)
    trainings = [make_training("cnn3d", seed=seed, max_epochs=2) for seed in SEEDS]
    steps = iter(range(100))

    def beat() -> None:
        if next(steps) == 2:
            raise Stopped

    seats = [seat_of(each, train, val, tmp_path) for each in trainings]
    with pytest.raises(Stopped):
        fit_stack(seats, trainings[0].recipe, device=torch.device("cpu"), beat=beat)
    kept = torch.load(tmp_path / "7" / "last.ckpt", weights_only=True)
    assert kept["callbacks"]["TrialProgress"]["midway"]["batches"] == {"done": 2}
    require_equal(
        fitted(trainings[0], train, val, tmp_path / "0"), fitted(trainings[0], train, val, tmp_path / "alone-0")
    )
    for found, training in zip(stack(trainings[1:], train, val, tmp_path), trainings[1:], strict=True):
        require_equal(found, fitted(training, train, val, tmp_path / f"alone-{training.seed}"))


def test_a_damaged_checkpoint_is_its_own_seeds_failure(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    trainings = [make_training("timesformer1", seed=seed) for seed in SEEDS]
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "last.ckpt").write_bytes(b"no checkpoint")
    first, second, third = stack(trainings, train, val, tmp_path)
    assert isinstance(second, DamagedCheckpoint)
    assert (len(first.epochs), len(third.epochs)) == (3, 3)


def test_what_has_ended_is_not_trained_again(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    trainings = [make_training("timesformer1", seed=seed) for seed in SEEDS]
    before = stack(trainings, train, val, tmp_path)
    for found, expected in zip(stack(trainings, train, val, tmp_path, report=stopping_after(1)), before, strict=True):
        require_equal(found, expected)


def test_levels_are_kept_for_each_seed(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    selection = Selection(levels=(0.3, 0.6))
    trainings = [make_training("cnn3d", seed=seed) for seed in SEEDS]
    seats = [seat_of(each, train, val, tmp_path, keeper=selection.keeper()) for each in trainings]
    for found, training in zip(
        fit_stack(seats, trainings[0].recipe, device=torch.device("cpu")), trainings, strict=True
    ):
        assert isinstance(found, Fit)
        folder = tmp_path / f"alone-{training.seed}"
        require_equal(found, fitted(training, train, val, folder, keeper=selection.keeper()))
        names = [sorted(path.name for path in each.glob("level*")) for each in (tmp_path / str(training.seed), folder)]
        assert names[0] == names[1] != []


def test_seconds_are_shares_of_the_stacks(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    trainings = [make_training("cnn3d", seed=seed) for seed in SEEDS]
    began = time.monotonic()
    found = stack(trainings, train, val, tmp_path)
    took = time.monotonic() - began
    assert 0 < sum(row["seconds"] for each in found for row in each.epochs) < took


def test_a_seed_that_goes_on_tells_the_epochs_before(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    trainings, told = [make_training("cnn3d", seed=seed) for seed in SEEDS], dict[int, Any]()
    first = stack(trainings[:-1], train, val, tmp_path)
    seats = [seat_of(each, train, val, tmp_path, resumed=partial(told.__setitem__, each.seed)) for each in trainings]
    fit_stack(seats, trainings[0].recipe, device=torch.device("cpu"))
    assert told == {each.seed: fit.epochs for each, fit in zip(trainings, first, strict=False)}
