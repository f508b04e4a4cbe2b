"""Products by either library, and what is folded into a weight, against torch's own."""

import pytest
import torch
from torch.nn.functional import layer_norm, linear

from rac_ray.models.channelwise import products
from rac_ray.models.channelwise.products import biased, folded, normalised, product, to_tokens, unfolded, with_ones


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("sizes", [(6, 2, 40), (48, 17, 33), (8, 8, 8), (64, 65, 1000)])
@pytest.mark.parametrize("turned", [False, True])
def test_products_are_torchs(
    onednn: bool, sizes: tuple[int, int, int], turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not onednn:
        monkeypatch.setattr(products, "_LINEAR", None)
    n, k, m = sizes
    one, other = torch.randn(n, k), torch.randn(m, k).t() if turned else torch.randn(k, m)
    made = product(one, other)
    assert made.is_contiguous()
    torch.testing.assert_close(made.double(), one.double() @ other.double(), rtol=1e-5, atol=1e-5)


def test_products_of_float64_keep_its_bits() -> None:
    one, other = torch.randn(32, 40, dtype=torch.float64), torch.randn(40, 50, dtype=torch.float64)
    torch.testing.assert_close(product(one, other), one @ other, rtol=1e-14, atol=1e-13)


def test_torch_has_onednn() -> None:
    """Else nothing is wrong, but slow: a torch that calls it otherwise has to be met here."""
    assert products._LINEAR is not None


@pytest.mark.parametrize("with_bias", [True, False])
def test_gain_shift_and_bias_are_columns_of_a_weight(with_bias: bool) -> None:
    """Values and every gradient of a layer normalisation and the linear layer after it."""
    draws = torch.Generator().manual_seed(0)
    tokens, weight, bias, gain, shift, upstream = (
        torch.randn(*size, dtype=torch.float64, generator=draws, requires_grad=True)
        for size in ((8, 50), (12, 8), (12,), (8,), (8,), (12, 50))
    )
    used = bias if with_bias else None
    expected = linear(layer_norm(tokens.t(), (8,), gain, shift, 1e-5), weight, used).t()
    inputs = [tokens, weight, gain, shift, *([bias] if with_bias else [])]
    to_input, *gradients = torch.autograd.grad((expected * upstream).sum(), inputs)
    with torch.no_grad():
        normal, shares = normalised(tokens, 1e-5)
        torch.testing.assert_close(product(folded(weight, used, gain, shift), normal), expected, rtol=1e-10, atol=1e-10)
        to_weight, to_bias, to_gain, to_shift = unfolded(product(upstream, normal.t()), weight, gain, shift)
        to_normal = (weight * gain).t().contiguous() @ upstream
        beside = torch.ones_like(tokens)
        made = to_tokens(normal, shares, to_normal, beside)
    torch.testing.assert_close(made, to_input + 1, rtol=1e-10, atol=1e-10)
    for one, other in zip((to_weight, to_gain, to_shift, to_bias), gradients, strict=False):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_a_bias_meets_the_row_of_ones() -> None:
    weight, bias, inner = torch.randn(3, 2), torch.randn(3), torch.randn(2, 5)
    with_row = with_ones(2, inner)
    with_row[:2] = inner
    torch.testing.assert_close(biased(weight, bias) @ with_row, weight @ inner + bias[:, None])
