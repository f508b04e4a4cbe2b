import logging
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.gpu.compared import Stopped, largest, last_state, losses_apart, refusals, stopping_after
from rac_ray.store.storage import Storage
from rac_ray.training.fit import Fit


def fit_with(*losses: float) -> Fit:
    rows: list[dict[str, Any]] = [{"epoch": number, "train_loss": loss} for number, loss in enumerate(losses)]
    return Fit(nn.Identity(), rows, 0, 0.0, 0, {}, 0.0)


def test_losses_are_compared_epoch_by_epoch_all_or_the_first() -> None:
    one, other = fit_with(1.01, 3.0), fit_with(1.0, 2.0)
    assert losses_apart(one, other) == 0.5
    assert losses_apart(one, other, 1) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="longer"):
        losses_apart(fit_with(1.0), other)


def test_the_largest_difference_is_relative_and_of_floating_point() -> None:
    some = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 4.0]), "steps": torch.tensor(7)}
    others = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 5.0]), "steps": torch.tensor(1)}
    assert largest(some, others) == pytest.approx(1 / 34**0.5)


def test_a_fit_is_stopped_after_its_epoch_or_not_at_all() -> None:
    report = stopping_after(1)
    report({"epoch": 0})
    with pytest.raises(Stopped):
        report({"epoch": 1})
    stopping_after(None)({"epoch": 1})


def test_what_is_made_without_a_graph_is_heard_meanwhile() -> None:
    logger = logging.getLogger("rac_ray.training.recorded")
    with refusals() as said:
        logger.warning("steps are made without a CUDA graph; %s", "why")
    logger.warning("later")
    assert said == ["steps are made without a CUDA graph; why"]


def test_the_last_state_has_weights_and_the_scale_of_losses(tmp_path) -> None:
    weights = {"a": torch.tensor([1.0])}
    for more, scale in (({}, None), ({"MixedPrecision": {"scale": 8192.0}}, 8192.0)):
        torch.save({"state_dict": weights, **more}, tmp_path / "last.ckpt")
        assert last_state(Storage.at(str(tmp_path))) == (weights, scale)
