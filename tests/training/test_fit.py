"""Fitting without Ray: against a loop written out, stopped and resumed, early stopping, ties, golden losses."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rac_ray.data.feed import Place
from rac_ray.data.order import Share
from rac_ray.data.resident import ResidentBatches
from rac_ray.data.shards import Clips
from rac_ray.errors import BadInput
from rac_ray.identity import TRAINING_VERSION, Training, seed_for
from rac_ray.models import MODELS, build_model
from rac_ray.store.storage import Storage
from rac_ray.training import progress
from rac_ray.training.checkpoints import as_bytes
from rac_ray.training.classifier import NotFinite
from rac_ray.training.fit import DamagedCheckpoint, Fit
from tests.training.fitting import fitted

GOLDEN_LOSSES = {
    "convlstm": [1.645354, 1.445813],
    "cnn3d": [1.45674, 0.842656],
    "timesformer1": [1.62523, 1.616797],
    "timesformer8": [1.796859, 1.650664],
    "cnn2plus1d": [1.495219, 0.924317],
    "convgru": [1.609445, 1.304838],
    "convlru": [1.726885, 0.848566],
    "vivit": [1.717501, 1.739471],
    "bag": [1.488374, 1.200218],
}


class Stopped(Exception):
    pass


@pytest.fixture(autouse=True)
def one_thread_and_a_checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(progress, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture
def a_checkpoint_every_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "MIDWAY_SECONDS", -1.0)
    monkeypatch.setattr(progress, "STEPS_BETWEEN", 2)


def stopping_in(step: int) -> Callable[[], None]:
    """A beat that stops training in a step, counted from 1."""
    steps = itertools.count(1)

    def beat() -> None:
        if next(steps) == step:
            raise Stopped

    return beat


@pytest.fixture
def train(make_clips: Callable[..., Clips]) -> Clips:
    return make_clips(27)


@pytest.fixture
def val(make_clips: Callable[..., Clips]) -> Clips:
    return make_clips(13, "2dot/val")


def without_clock(result: Fit) -> list[dict[str, Any]]:
    timed = ("seconds", "loader_wait_share")
    return [{name: value for name, value in row.items() if name not in timed} for row in result.epochs]


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_job_of_slurm_is_not_asked_how_many_processes_there_are(
    make_training, train: Clips, val: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training: Training = make_training("timesformer1")
    alone = fitted(training, train, val, tmp_path / "alone")
    for name, value in {"NTASKS": "4", "JOB_NAME": "rac_ray", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    in_a_job = fitted(training, train, val, tmp_path / "job")
    assert same_weights(alone.model, in_a_job.model)


@pytest.mark.parametrize("name", ["cnn3d", "timesformer1"])
def test_equals_a_plain_loop(name: str, make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    training: Training = make_training(name)
    result = fitted(training, train, val, tmp_path)
    torch.manual_seed(seed_for("weights", training.seed))
    model = build_model(name, 4)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-5)
    batches = ResidentBatches(train, Share(8, key=seed_for("order", training.seed)))
    for epoch, row in enumerate(result.epochs):
        model.train()
        batches.set_epoch(epoch)
        losses = []
        for frames, labels in batches:
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(frames.float() / 255), labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            predicted = torch.cat(
                [model(f.float() / 255).argmax(1) for f, _ in ResidentBatches(val, Share(8, whole_steps=False))]
            )
        correct = int((predicted == torch.from_numpy(val.labels)).sum())
        assert row["train_loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-6)
        assert row["val_top1"] == correct / len(val)
    assert [row["epoch"] for row in result.epochs] == [0, 1, 2]


@pytest.mark.parametrize("name", MODELS)
def test_steps_made_in_one_function_train_to_the_same_bits(
    name: str, make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    """What a GPU records and replays is, on a CPU, the same step as Lightning's own."""
    training = make_training(name, max_epochs=2)
    usual, whole = (
        fitted(training, train, val, tmp_path / str(graphs), cuda_graphs=graphs) for graphs in (False, True)
    )
    assert without_clock(whole) == without_clock(usual)
    assert same_weights(whole.model, usual.model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", MODELS)
def test_a_gpu_trains_alike_with_and_without_graphs(
    name: str, make_training, train: Clips, val: Clips, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = make_training(name, max_epochs=4)
    usual, replayed = (
        fitted(training, train, val, tmp_path / str(graphs), Place(device="cuda"), cuda_graphs=graphs)
        for graphs in (False, True)
    )
    assert "without a CUDA graph" not in caplog.text
    for one, other in zip(usual.epochs, replayed.epochs, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)


@pytest.mark.usefixtures("a_checkpoint_every_two_steps")
@pytest.mark.parametrize("steps", [2, 3, 6, 8, 12, 14])
def test_a_trial_stopped_in_the_middle_of_an_epoch_goes_on_to_the_same_bits(
    steps: int, make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    """Three training steps and two of validation an epoch; also with a rate that follows the steps."""
    training = make_training("cnn3d", schedule="cosine", warm_up=0.5)
    whole = fitted(training, train, val, tmp_path / "whole")
    with pytest.raises(Stopped):
        fitted(training, train, val, tmp_path / "stopped", beat=stopping_in(steps + 1))
    again = fitted(training, train, val, tmp_path / "stopped")
    assert without_clock(again) == without_clock(whole)
    assert same_weights(again.model, whole.model)
    assert all(0 < row["seconds"] < 60 for row in again.epochs)


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
@pytest.mark.parametrize("name", ["cnn3d", "timesformer1"])
def test_a_stopped_trial_goes_on_to_the_same_bits(
    name: str, stopped_after: int, make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    training = make_training(name, max_epochs=4, patience=2)
    whole = fitted(training, train, val, tmp_path / "whole")
    seen: list[int] = []

    def stop(row: dict[str, Any]) -> None:
        seen.append(row["epoch"])
        if len(seen) == stopped_after:
            raise Stopped

    with pytest.raises(Stopped):
        fitted(training, train, val, tmp_path / "parts", report=stop)
    parts = fitted(training, train, val, tmp_path / "parts", report=lambda row: seen.append(row["epoch"]))
    assert seen == [row["epoch"] for row in whole.epochs]
    assert without_clock(parts) == without_clock(whole)
    assert same_weights(parts.model, whole.model)
    assert (parts.best_epoch, parts.best_val_top1) == (whole.best_epoch, whole.best_val_top1)


EVERYTHING: dict[str, Any] = {
    "optimiser": "adamw", "schedule": "cosine", "warm_up": 0.5, "label_smoothing": 0.1, "clip_norm": 0.5,
}  # fmt: skip


def test_optimiser_and_schedule_go_on_to_the_same_bits(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    training = make_training("timesformer1", max_epochs=4, patience=4, **EVERYTHING)
    whole = fitted(training, train, val, tmp_path / "whole")

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 1:
            raise Stopped

    with pytest.raises(Stopped):
        fitted(training, train, val, tmp_path / "parts", report=stop)
    parts = fitted(training, train, val, tmp_path / "parts")
    assert without_clock(parts) == without_clock(whole)
    assert same_weights(parts.model, whole.model)


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_field_of_a_recipe_moves_the_weights(
    name: str, make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    plain = fitted(make_training("cnn3d"), train, val, tmp_path / "plain")
    other = fitted(make_training("cnn3d", **{name: EVERYTHING[name]}), train, val, tmp_path / "other")
    assert not same_weights(plain.model, other.model)


def test_smoothed_labels_count_in_training_only(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    still = {"learning_rate": 1e-30, "max_epochs": 1}
    plain = fitted(make_training("timesformer1", **still), train, val, tmp_path / "plain")
    smooth = fitted(make_training("timesformer1", **still, label_smoothing=0.5), train, val, tmp_path / "smooth")
    assert smooth.epochs[0]["val_loss"] == plain.epochs[0]["val_loss"]
    assert smooth.epochs[0]["train_loss"] != plain.epochs[0]["train_loss"]


def test_a_finished_fit_is_not_run_again(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    first = fitted(make_training(), train, val, tmp_path)
    seen: list[dict[str, Any]] = []
    again = fitted(make_training(), train, val, tmp_path, report=seen.append)
    assert seen == []
    assert same_weights(first.model, again.model)


def test_early_stopping_counts_strict_improvements_and_the_first_of_ties_is_best(
    make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    """At a vanishing learning rate nothing changes: epoch 0 stays best, and training ends after the patience."""
    result = fitted(make_training(learning_rate=1e-30, max_epochs=50, patience=4), train, val, tmp_path)
    assert len(result.epochs) == 5
    assert result.best_epoch == 0
    assert len({row["val_top1"] for row in result.epochs}) == 1


def test_the_best_weights_are_what_is_returned(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    training = make_training("cnn3d", learning_rate=0.05, max_epochs=6, patience=6)
    result = fitted(training, train, val, tmp_path)
    result.model.eval()
    with torch.no_grad():
        predicted = result.model(torch.from_numpy(val.frames).unsqueeze(2).float() / 255).argmax(1)
    top1 = float((predicted == torch.from_numpy(val.labels)).double().mean())
    assert top1 == result.best_val_top1 == max(row["val_top1"] for row in result.epochs)
    (tmp_path / "best.ckpt").write_bytes(as_bytes(result.model.state_dict()))
    weights = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert all(torch.equal(weights[name], value) for name, value in result.model.state_dict().items())


def test_seed_zero_is_a_seed(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    losses = [
        fitted(make_training(seed=seed, max_epochs=1), train, val, tmp_path / str(number)).epochs[0]["train_loss"]
        for number, seed in enumerate((0, 0, 1))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_a_loss_that_is_not_finite_is_told(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    with pytest.raises(NotFinite, match="training loss is nan in epoch 1"):
        fitted(make_training("cnn3d", learning_rate=1e38), train, val, tmp_path)


def test_one_class_missing_and_one_validation_clip(make_training, make_clips, tmp_path: Path) -> None:
    clips: Clips = make_clips(40)
    kept = [place for place, label in enumerate(clips.labels) if label != 0]
    train = Clips(clips.frames[kept], clips.labels[kept], [clips.clip_ids[place] for place in kept])
    result = fitted(make_training(max_epochs=1), train, make_clips(1, "2dot/val"), tmp_path)
    assert result.best_val_top1 in (0.0, 1.0)


def test_too_few_training_clips_are_named(make_training, make_clips, val: Clips, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="7 training clips do not fill one batch of 8"):
        fitted(make_training(), make_clips(7), val, tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_golden_losses(name: str, make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    """Training numerics are part of an id: when these losses change, raise TRAINING_VERSION and bless them."""
    result = fitted(make_training(name, max_epochs=2), train, val, tmp_path)
    assert TRAINING_VERSION == 2
    assert [row["train_loss"] for row in result.epochs] == pytest.approx(GOLDEN_LOSSES[name], rel=1e-3)


@pytest.mark.parametrize("content", [b"not a checkpoint", b"", b"PK\x03\x04 half a zip"])
def test_a_damaged_checkpoint_is_told_and_dropped(
    content: bytes, make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    training = make_training(max_epochs=2)
    whole = fitted(training, train, val, tmp_path / "whole")
    folder = Storage.at(tmp_path / "damaged")
    folder.write_bytes("last.ckpt", content)
    with pytest.raises(DamagedCheckpoint, match=r"last\.ckpt cannot be read and was dropped: "):
        fitted(training, train, val, tmp_path / "damaged")
    again = fitted(training, train, val, tmp_path / "damaged")
    assert without_clock(again) == without_clock(whole)
    assert same_weights(again.model, whole.model)


def test_a_truncated_checkpoint_of_a_real_run(make_training, train: Clips, val: Clips, tmp_path: Path) -> None:
    training = make_training(max_epochs=2)
    fitted(training, train, val, tmp_path)
    path = tmp_path / "last.ckpt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedCheckpoint):
        fitted(training, train, val, tmp_path)


def test_every_step_beats_and_rows_tell_clips_and_waiting(
    make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    beats: list[int] = []
    training = make_training(max_epochs=2, batch_size=8)
    result = fitted(training, train, val, tmp_path, beat=lambda: beats.append(1))
    train_steps, val_steps = len(train) // 8, -(-len(val) // 8)
    assert len(beats) == 2 * (train_steps + val_steps)
    for row in result.epochs:
        assert row["clips"] == 8 * train_steps + len(val)
        assert 0 < row["loader_wait_share"] < 0.5
        assert row["gpu_memory_bytes"] == 0


def test_an_attempt_that_goes_on_tells_the_epochs_before_it(
    make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    training, told, before = make_training(max_epochs=2), list[dict[str, Any]](), list[dict[str, Any]]()
    first = fitted(training, train, val, tmp_path, report=told.append, resumed=before.extend)
    assert (told, before, first.seconds_before) == (first.epochs, [], 0)
    again = fitted(training, train, val, tmp_path, report=told.append, resumed=before.extend)
    assert (told, before) == (first.epochs, first.epochs), "the training was over"
    assert again.seconds_before == sum(row["seconds"] for row in first.epochs)


@pytest.mark.usefixtures("a_checkpoint_every_two_steps")
def test_the_seconds_of_a_begun_epoch_are_among_those_before(
    make_training, train: Clips, val: Clips, tmp_path: Path
) -> None:
    """Stopped in the third step of the second epoch, which a checkpoint after two steps has begun."""
    training, told = make_training(max_epochs=2), list[dict[str, Any]]()
    with pytest.raises(Stopped):
        fitted(training, train, val, tmp_path, beat=stopping_in(8), report=told.append)
    again = fitted(training, train, val, tmp_path)
    first, second = (row["seconds"] for row in again.epochs)
    assert [row["seconds"] for row in told] == [first]
    assert first < again.seconds_before < first + second
