import numpy as np
import pytest
import torch

from rac_ray.models import build_model
from rac_ray.training.classifier import NotFinite
from rac_ray.training.evaluate import EVALUATION_BATCHES, Predictions, predict

CPU = torch.device("cpu")


def test_every_clip_is_predicted_once_in_order_over_all_parts(make_clips) -> None:
    parts = {
        "5dot/test": make_clips(EVALUATION_BATCHES["cpu"] + 3, "5dot/test"),
        "mnist/test": make_clips(4, "mnist/test"),
    }
    torch.manual_seed(0)
    model = build_model("timesformer1", 4)
    beats: list[int] = []
    found = predict(model, parts, device=CPU, beat=lambda: beats.append(1))
    assert len(beats) == 2
    for got, (part, clips) in zip(found, parts.items(), strict=True):
        with torch.no_grad():
            expected = model(torch.from_numpy(clips.frames).unsqueeze(2).float() / 255)
        np.testing.assert_allclose(got.logits, expected.numpy(), rtol=1e-4, atol=1e-6)
        assert f"{got.target}/{got.split}" == part
        assert got.clip_ids == clips.clip_ids
    assert not model.training


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
    clips, model = make_clips(40), Narrow(20)
    (got,) = predict(model, {"2dot/train": clips}, device=CPU)
    assert model.batches == [16, 16, 8]
    np.testing.assert_allclose(got.logits[:, 0], (clips.frames / 255).sum((1, 2, 3)), rtol=1e-4)
    with pytest.raises(torch.OutOfMemoryError):
        predict(Narrow(0), {"2dot/train": clips}, device=CPU)


def test_the_table_has_a_row_per_clip() -> None:
    logits = np.array([[0, 2, 1], [3, 3, 0], [0, 0, 1]], np.float32)
    got = Predictions("mnist", "test", ["a", "b", "c"], np.array([1, 1, 2]), logits)
    assert got.correct == 2
    assert got.table().to_pydict() == {
        "target": ["mnist"] * 3,
        "split": ["test"] * 3,
        "clip_id": ["a", "b", "c"],
        "label": [1, 1, 2],
        "predicted": [1, 0, 2],
        "logits": logits.tolist(),
    }


def test_hundreds_of_classes_keep_their_numbers() -> None:
    logits = np.eye(700, dtype=np.float32)[[127, 128, 699]]
    table = Predictions("mnist", "test", ["a", "b", "c"], np.array([128, 300, 699]), logits).table()
    assert table["label"].to_pylist() == [128, 300, 699]
    assert table["predicted"].to_pylist() == [127, 128, 699]


def test_sixteen_bit_evaluation_is_close(make_clips) -> None:
    parts = {"mnist/test": make_clips(4, "mnist/test")}
    torch.manual_seed(0)
    model = build_model("timesformer8", 4)
    exact, half = (predict(model, parts, device=CPU, precision=each)[0].logits for each in ("32", "bf16-mixed"))
    assert half.dtype == np.float32
    assert not np.array_equal(exact, half)
    np.testing.assert_allclose(exact, half, atol=0.05)


def test_logits_that_are_not_finite_are_told(make_clips) -> None:
    class Diverged(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return torch.full((len(frames), 5), float("inf"))

    with pytest.raises(NotFinite, match="logits on 5dot/test are not finite"):
        predict(Diverged(), {"5dot/test": make_clips(3), "mnist/test": make_clips(3)}, device=CPU)
