import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rac_ray.models import MODELS, Builder, count_parameters
from rac_ray.models.shapes import shaped


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_those_of_the_model_and_nothing_is_drawn(name: str) -> None:
    build = Builder(name, 4)
    before = torch.get_rng_state()
    model = shaped(build)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.is_meta for parameter in model.parameters())
    real = build()
    assert count_parameters(model) == count_parameters(real)
    assert [(key, value.shape) for key, value in model.state_dict().items()] == [
        (key, value.shape) for key, value in real.state_dict().items()
    ]


def test_counting_loads_no_compiler() -> None:
    """In a process of its own, with every model: torch's would take as long to load as all else of a plan."""
    code = (
        "import sys\nfrom rac_ray.models import MODELS, Builder\nfrom rac_ray.models.shapes import shaped\n"
        "for name in MODELS:\n    shaped(Builder(name, 4))\n    assert 'sympy' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Mixing(nn.Module):
    """Adds a table of numbers to its weights when it is built."""

    def __init__(self, table: Callable[[int], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3) + table(3))


@pytest.mark.parametrize("table", [torch.arange, torch.rand])
def test_a_model_may_mix_tables_with_its_weights(table: Callable[[int], Tensor]) -> None:
    model = shaped(lambda: Mixing(table))
    assert count_parameters(model) == 3
    assert model.weight.is_meta
