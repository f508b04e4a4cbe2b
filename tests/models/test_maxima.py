import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv3d, max_pool3d, relu

from rac_ray.models.maxima import MaximaOfConvolution

Inputs = tuple[Tensor, Tensor, Tensor]


def inputs(channels: int, hidden_units: int, size: tuple[int, int, int], dtype: torch.dtype = torch.float64) -> Inputs:
    """Clips (3, C, T, H, W), weight and bias, ready for gradients."""
    torch.manual_seed(0)
    shapes = ((3, channels, *size), (hidden_units, channels, 3, 3, 3), (hidden_units,))
    return tuple(torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes)  # type: ignore[return-value]


def require_same(given: Inputs, close: float) -> None:
    ours, theirs = MaximaOfConvolution.apply(*given), relu(max_pool3d(conv3d(*given, padding=1), 2))
    torch.testing.assert_close(ours, theirs, rtol=close, atol=close)
    weights = torch.rand_like(theirs)
    gradients = [torch.autograd.grad((values * weights).sum(), given) for values in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=close, atol=close * float(other.abs().max()))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("channels", "hidden_units", "size"),
    [(3, 2, (4, 6, 8)), (8, 8, (5, 7, 6)), (16, 5, (4, 22, 10)), (17, 3, (2, 2, 2)), (48, 4, (3, 4, 9))],
)
def test_values_and_gradients_are_pytorchs(channels: int, hidden_units: int, size: tuple[int, int, int]) -> None:
    """Channels that fill registers and do not, odd sizes, more rows than are taken at once."""
    require_same(inputs(channels, hidden_units, size), 1e-12)


def test_single_precision() -> None:
    require_same(inputs(8, 4, (4, 8, 8), torch.float32), 1e-5)


def test_of_equal_values_the_first_gets_the_gradient() -> None:
    clips, weight, bias = inputs(4, 2, (6, 8, 8))
    same = torch.full_like(clips, 0.5).requires_grad_()
    require_same((same, weight, (bias.detach() + 9).requires_grad_()), 1e-12)


def test_nothing_comes_of_what_relu_turns_off() -> None:
    clips, weight, _ = inputs(4, 2, (4, 4, 4))
    low = torch.full((2,), -1e6, dtype=torch.float64, requires_grad=True)
    pooled = MaximaOfConvolution.apply(clips, weight, low)
    assert not pooled.any()
    assert not any(gradient.any() for gradient in torch.autograd.grad(pooled.sum(), (clips, weight, low)))


def test_not_a_number_stays() -> None:
    clips, weight, bias = inputs(4, 2, (4, 4, 4))
    broken = clips.detach().clone()
    broken[1, 0, 0, 0, 0] = torch.nan
    pooled = MaximaOfConvolution.apply(broken, weight, bias)
    assert pooled[1, :, 0, 0, 0].isnan().all()
    assert pooled[[0, 2]].isfinite().all()


def test_clips_whose_gradient_is_not_wanted() -> None:
    clips, weight, bias = inputs(8, 3, (4, 6, 6))
    expected = torch.autograd.grad(MaximaOfConvolution.apply(clips, weight, bias).sum(), weight)[0]
    found = torch.autograd.grad(MaximaOfConvolution.apply(clips.detach(), weight, bias).sum(), weight)[0]
    assert torch.equal(found, expected)
