import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import agreement
from benchmarks.agreement import Agreement, compare, distance
from rac_ray.models import build_model

EXACT = Agreement("cnn3d", 2, "float32", 8, 1e-5, 0.0, 0.0, 0.0, "classifier.bias", 0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"training_logits": 1e-4}, False),
        ({"evaluation_logits": 1e-4}, False),
        ({"gradient": 1e-5, "ours_from_float64": 1e-3, "plain_from_float64": 1e-4}, True),
        ({"gradient": 1e-5 + 1e-9, "ours_from_float64": 1.1e-3, "plain_from_float64": 1e-4}, False),
        ({"gradient": 1e-3, "ours_from_float64": 3e-3, "plain_from_float64": 1e-3}, True),
        ({"gradient": 1e-3, "ours_from_float64": 5e-3, "plain_from_float64": 1e-3}, False),
    ],
)
def test_when_it_holds(change: dict[str, float], holds: bool) -> None:
    assert replace(EXACT, **change).holds is holds


def test_distances_are_relative() -> None:
    one = torch.tensor([3.0, 4.0])
    assert distance(one * 1.01, one) == pytest.approx(0.01, rel=1e-4)
    assert distance(torch.zeros(2), torch.zeros(2)) == 0
    assert distance(one, torch.zeros(2)) == math.inf


@pytest.mark.parametrize("name", ["cnn3d", "timesformer1"])
def test_ours_agrees_on_real_clips(name: str, make_clips) -> None:
    clips = make_clips(8)
    frames, labels = torch.from_numpy(clips.frames).unsqueeze(2), torch.from_numpy(clips.labels)
    compared = compare(name, 4, frames, labels, torch.float32)
    assert compared.holds, compared.complaint()
    assert compared.clips == 8


def test_another_model_is_found_out(make_clips, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_another_norm(name: str, hidden_units: int) -> nn.Module:
        model = build_model(name, hidden_units)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eps = 1e-3
        return model

    monkeypatch.setattr(agreement, "build_model", with_another_norm)
    clips = make_clips(4)
    frames, labels = torch.from_numpy(clips.frames).unsqueeze(2), torch.from_numpy(clips.labels)
    compared = compare("cnn3d", 2, frames, labels, torch.float32)
    assert not compared.holds
    assert compared.complaint().startswith("cnn3d h=2 in float32 is not the plain model: logits differ by ")
