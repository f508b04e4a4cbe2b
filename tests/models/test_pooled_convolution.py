"""Convolution, pooling and ReLU in one against PyTorch's three, in values and gradients."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import max_pool3d

from rac_ray.models.pooled_convolution import PooledConvolution


def plain(clips: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return max_pool3d(torch.conv3d(clips, weight, bias, padding=1), 2).relu()


def drawn(size: tuple[int, ...], hidden: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Clips, weight and bias that want gradients."""
    torch.manual_seed(0)
    shapes = [size, (hidden, size[1], 3, 3, 3), (hidden,)]
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("size", "hidden"), [((3, 1, 6, 8, 8), 2), ((2, 3, 7, 9, 13), 3), ((1, 2, 2, 2, 40), 4)])
def test_values_and_gradients_are_pytorchs(size: tuple[int, ...], hidden: int) -> None:
    inputs = drawn(size, hidden)
    found, expected = PooledConvolution.apply(*inputs), plain(*inputs)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
    upstream = torch.randn_like(expected)
    gradients = [torch.autograd.grad(each, inputs, upstream) for each in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_in_single_precision_it_is_as_close_as_rounding_lets_it() -> None:
    inputs = drawn((4, 1, 20, 64, 64), 2, torch.float32)
    found, exact = PooledConvolution.apply(*inputs), plain(*(each.double() for each in inputs))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=2e-6)


def test_of_equal_values_the_first_gets_the_gradient() -> None:
    """All eight of a window are equal, but at its borders; PyTorch takes the first in its order."""
    clips, weight, bias = drawn((1, 1, 4, 4, 4), 1)
    with torch.no_grad():
        for values, number in ((clips, 1.0), (weight, 0.0), (bias, 0.5)):
            values.fill_(number)
        weight[0, 0, 1, 1, 1] = 1.0
    upstream = torch.arange(1.0, 9.0, dtype=torch.float64).view(1, 1, 2, 2, 2)
    pairs = [
        torch.autograd.grad(f(clips, weight, bias), (clips, weight), upstream) for f in (PooledConvolution.apply, plain)
    ]
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_what_is_not_above_zero_has_no_gradient() -> None:
    clips, weight, bias = drawn((1, 1, 2, 2, 2), 2)
    with torch.no_grad():
        weight.zero_()
        bias.copy_(torch.tensor([0.0, -1.0]))
    found = PooledConvolution.apply(clips, weight, bias)
    assert found.flatten().tolist() == [0.0, 0.0]
    for gradient in torch.autograd.grad(found.sum(), (clips, weight, bias)):
        assert not gradient.any()


def test_nan_is_passed_on() -> None:
    clips, weight, bias = drawn((1, 1, 2, 4, 4), 1)
    with torch.no_grad():
        bias.fill_(torch.nan)
    assert PooledConvolution.apply(clips, weight, bias).isnan().all()


def test_clips_that_want_no_gradient_get_none() -> None:
    clips, weight, bias = drawn((2, 1, 4, 4, 4), 2)
    frozen = clips.detach()
    PooledConvolution.apply(frozen, weight, bias).sum().backward()
    assert frozen.grad is None
    assert weight.grad is not None
    with torch.inference_mode():
        assert not PooledConvolution.apply(frozen, weight, bias).requires_grad
