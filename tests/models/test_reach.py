import sys

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from rac_ray.models import MODELS, build_model, reach
from rac_ray.models.reach import in_reach


@pytest.mark.parametrize(
    ("dtype", "device", "reached"),
    [
        (torch.float32, "cpu", True),
        (torch.float64, "cpu", True),
        (torch.bfloat16, "cpu", False),
        (torch.uint8, "cpu", False),
        (torch.float32, "meta", False),
    ],
)
def test_floats_of_a_cpu_are_in_reach(dtype: torch.dtype, device: str, reached: bool) -> None:
    assert in_reach(torch.zeros(2, dtype=dtype, device=device)) is reached


def test_under_autocast_and_for_many_models_at_once_nothing_is() -> None:
    seen = []

    def look(values: Tensor) -> Tensor:
        seen.append(in_reach(values))
        return values

    with torch.autocast("cpu", torch.bfloat16):
        look(torch.zeros(2))
    vmap(look)(torch.zeros(3, 2))
    assert seen == [False, False]
    assert in_reach(torch.zeros(2))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_without_a_compiler_a_model_computes_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, clips = build_model(name, 2).eval(), torch.rand(2, 20, 1, 64, 64)
    compiled = model(clips)
    monkeypatch.setattr(reach, "HAS_COMPILER", False)
    loaded = set(sys.modules)
    torch.testing.assert_close(model(clips), compiled, rtol=1e-4, atol=1e-5)
    assert not {module for module in set(sys.modules) - loaded if module.startswith("numba")}
