import numpy as np
import pytest
import torch

from rac_ray.data.feed import Opening, Place
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.shards import Clips
from rac_ray.data.subject import ShardSubject
from rac_ray.identity import Evaluation
from rac_ray.models import Builder, build_model
from rac_ray.store.storage import Storage
from rac_ray.training.classifier import NotFinite, to_unit_range
from rac_ray.training.evaluate import EVALUATION_BATCHES, Predictions, evaluate, predict

CPU = torch.device("cpu")
MNIST = Evaluation("mnist", "test", "target", "content")


def feeds_of(parts: dict[str, Clips], place: Place | None = None) -> ClipFeeds:
    subject = ShardSubject(Builder("cnn3d", 2), "", "", 5, (20, 1, 64, 64), Storage(""))
    return ClipFeeds(subject, Opening(0, 8, place or Place(), parts))


def said(model: torch.nn.Module, parts: dict[str, Clips], precision: str = "32", **options) -> list[Predictions]:
    names = [part.split("/") for part in parts]
    asked = [Evaluation(target, split, "target", "content") for target, split in names]
    feeds = feeds_of(parts)
    return evaluate(model, feeds, asked, place=Place(), precision=precision, scaled=to_unit_range, **options)


def test_every_clip_is_predicted_once_in_order_over_all_parts(make_clips) -> None:
    parts = {
        "5dot/test": make_clips(EVALUATION_BATCHES["cpu"] + 3, "5dot/test"),
        "mnist/test": make_clips(4, "mnist/test"),
    }
    torch.manual_seed(0)
    model = build_model("timesformer1", 4)
    beats: list[int] = []
    found = said(model, parts, beat=lambda: beats.append(1))
    assert len(beats) == 3
    for got, (part, clips) in zip(found, parts.items(), strict=True):
        with torch.no_grad():
            expected = model(torch.from_numpy(clips.frames).unsqueeze(2).float() / 255)
        np.testing.assert_allclose(got.logits, expected.numpy(), rtol=1e-4, atol=1e-6)
        assert got.evaluation.part == part
        assert got.clip_ids == clips.clip_ids
    assert not model.training


def test_each_worker_has_every_second_clip(make_clips) -> None:
    clips = make_clips(5)
    batches = [feeds_of({"2dot/train": clips}, Place(rank, 2)).asked("2dot/train").batches for rank in range(2)]
    frames = [torch.cat([frames for frames, _ in each]).squeeze(2).numpy() for each in batches]
    np.testing.assert_array_equal(frames[0], clips.frames[::2])
    np.testing.assert_array_equal(frames[1], clips.frames[1::2])


class Narrow(torch.nn.Module):
    """Has memory for a few clips at once; its logits are the sums of the clips."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.batches: list[int] = []

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        if len(frames) > self.most:
            raise torch.OutOfMemoryError
        self.batches.append(len(frames))
        return frames.flatten(1).sum(1, keepdim=True).expand(-1, 5)


def test_a_batch_that_does_not_fit_is_halved(make_clips) -> None:
    clips, model = make_clips(40), Narrow(16)
    batches = list(feeds_of({"2dot/train": clips}).asked("2dot/train").batches)
    logits = predict(model, batches, device=CPU)
    assert model.batches == [10, 10, 10, 10]
    np.testing.assert_allclose(logits[:, 0], (clips.frames / 255).sum((1, 2, 3)), rtol=1e-4)
    with pytest.raises(torch.OutOfMemoryError):
        predict(Narrow(0), batches, device=CPU)


def test_the_table_has_a_row_per_clip() -> None:
    logits = np.array([[0, 2, 1], [3, 3, 0], [0, 0, 1]], np.float32)
    got = Predictions(MNIST, ["a", "b", "c"], np.array([1, 1, 200]), logits)
    assert got.correct == 1
    assert got.table("abc").to_pydict() == {
        "evaluation_id": ["abc"] * 3,
        "target": ["mnist"] * 3,
        "split": ["test"] * 3,
        "clip_id": ["a", "b", "c"],
        "label": [1, 1, 200],
        "predicted": [1, 0, 2],
        "logits": logits.tolist(),
    }


def test_a_score_names_its_checkpoint_and_has_top5_where_there_are_more_classes() -> None:
    logits = np.eye(6, 7, dtype=np.float32)
    labels = np.array([0, 1, 2, 0, 0, 0])
    score = Predictions(MNIST, list("abcdef"), labels, logits).score("training", 3)
    assert score.evaluation_id == MNIST.evaluation_id("training", 3)
    assert (score.clips, score.correct, score.top1, score.top5) == (6, 3, 0.5, 0.5)
    assert Predictions(MNIST, ["a"], labels[:1], logits[:1, :5]).score("training", 3).top5 is None


def test_sixteen_bit_evaluation_is_close(make_clips) -> None:
    parts = {"mnist/test": make_clips(4, "mnist/test")}
    torch.manual_seed(0)
    model = build_model("timesformer8", 4)
    exact, half = (said(model, parts, precision)[0].logits for precision in ("32", "bf16-mixed"))
    assert half.dtype == np.float32
    assert not np.array_equal(exact, half)
    np.testing.assert_allclose(exact, half, atol=0.05)


def test_logits_that_are_not_finite_are_told(make_clips) -> None:
    class Diverged(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return torch.full((len(frames), 5), float("inf"))

    with pytest.raises(NotFinite, match="logits on 5dot/test are not finite"):
        said(Diverged(), {"5dot/test": make_clips(3), "mnist/test": make_clips(3)})
