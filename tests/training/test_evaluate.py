import numpy as np
import pytest
import torch

from rac_ray.models import build_model
from rac_ray.training.classifier import NotFinite
from rac_ray.training.evaluate import EVALUATION_BATCH, Predictions, predict


def test_every_clip_is_predicted_once_in_order(make_clips) -> None:
    clips = make_clips(EVALUATION_BATCH + 3, "5dot/test")
    torch.manual_seed(0)
    model = build_model("timesformer1", 4)
    got = predict(model, clips, "5dot", "test", device=torch.device("cpu"))
    with torch.no_grad():
        expected = model(torch.from_numpy(clips.frames).unsqueeze(2).float() / 255)
    np.testing.assert_allclose(got.logits, expected.numpy(), rtol=1e-4, atol=1e-6)
    assert got.clip_ids == clips.clip_ids
    assert not model.training


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


def test_sixteen_bit_evaluation_is_close(make_clips) -> None:
    clips = make_clips(4, "mnist/test")
    torch.manual_seed(0)
    model = build_model("timesformer8", 4)
    exact, half = (
        predict(model, clips, "mnist", "test", device=torch.device("cpu"), precision=precision).logits
        for precision in ("32", "bf16-mixed")
    )
    assert half.dtype == np.float32
    assert not np.array_equal(exact, half)
    np.testing.assert_allclose(exact, half, atol=0.05)


def test_logits_that_are_not_finite_are_told(make_clips) -> None:
    class Diverged(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return torch.full((len(frames), 5), float("inf"))

    with pytest.raises(NotFinite, match="logits on mnist/test are not finite"):
        predict(Diverged(), make_clips(3), "mnist", "test", device=torch.device("cpu"))
