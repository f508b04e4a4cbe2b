from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.gpu.sections import TINY
from benchmarks.gpu.stacks import between_seeds, broken, one_step, until
from rac_ray.models import MODELS

CPU = torch.device("cpu")


def test_the_level_is_where_one_seed_is_farthest_ahead_of_another_before_the_last_epoch() -> None:
    assert between_seeds([[0.2, 0.4, 0.9], [0.2, 0.3, 0.1]]) == pytest.approx(0.35)
    assert between_seeds([[0.5, 0.1, 0.9], [0.2, 0.4, 0.9], [0.3, 0.1, 0.9]]) == pytest.approx(0.35)
    assert between_seeds([[0.2, 0.3, 0.9], [0.2, 0.3, 0.1]]) is None


def test_epochs_end_with_the_first_that_has_the_level() -> None:
    epochs: list[dict[str, Any]] = [{"val_top1": top1} for top1 in (0.2, 0.4, 0.3)]
    assert until(epochs, 0.4) == epochs[:2]
    assert until(epochs, 0.1) == epochs[:1]
    assert until(epochs, 0.5) == epochs


def test_a_broken_model_has_no_numbers_in_its_first_tensor() -> None:
    first, second, *_ = broken("cnn3d", 2).parameters()
    assert first.isnan().all()
    assert second.isfinite().all()


class Pooled(nn.Module):
    """No loop of it is compiled on a CPU, so that a CPU can be asked for what a GPU is."""

    def __init__(self, hidden_units: int, **_shape: int) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(64, hidden_units), nn.Linear(hidden_units, 5)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.hidden(clips.mean(dim=(1, 2, 3))).relu())


def test_a_step_of_all_members_at_once_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "pooled", Pooled)
    key = {"kind": "outputs", "model": "pooled", "hidden_units": 4, "precision": "fp32"}
    found = one_step(key, CPU, TINY)
    assert found["logits"] < 1e-6
    assert found["gradient"] < 1e-5
    assert (found["layers"], found["other_types"]) == (2, [])


def test_layers_that_a_stack_leaves_in_32_bits_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch adds a bias of 32 bits to a product of 16 under vmap; alone it casts both."""
    monkeypatch.setitem(MODELS, "pooled", Pooled)
    key = {"kind": "outputs", "model": "pooled", "hidden_units": 4, "precision": "bf16-mixed"}
    found = one_step(key, CPU, TINY)
    assert (found["layers"], found["other_types"]) == (2, ["hidden", "head"])
    assert 1e-6 < found["logits"] < 2e-2
