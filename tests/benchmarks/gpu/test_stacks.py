from typing import Any

import pytest
import torch

from benchmarks.gpu.sections import TINY
from benchmarks.gpu.stacks import between_seeds, broken, one_step, until

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


@pytest.mark.parametrize("name", ["timesformer1", "timesformer8"])
def test_a_step_of_all_members_at_once_is_that_of_each(name: str) -> None:
    """What a GPU is asked for, of models of whose loops on a CPU none is compiled."""
    key = {"kind": "outputs", "model": name, "hidden_units": 2, "precision": "fp32"}
    found = one_step(key, CPU, TINY)
    assert found["logits"] < 1e-5
    assert found["gradient"] < 1e-3
