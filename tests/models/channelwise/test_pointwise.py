"""Layer normalisation and gated activation against torch's, with as many numbers as sixteen does not divide."""

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from rac_ray.models.channelwise.pointwise import gated, gated_gradient, normalise, normalise_gradient


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("columns", [16, 17, 50])
@pytest.mark.parametrize("channels", [2, 5, 64])
def test_columns_are_normalised(channels: int, columns: int) -> None:
    tokens, upstream, beside = (3 * draw(3, channels, columns) + 1).unbind()
    tokens.requires_grad_()
    expected = layer_norm(tokens.t(), (channels,), eps=1e-5).t()
    (gradient,) = torch.autograd.grad((expected * upstream).sum(), tokens)
    blocks, sizes = -(-columns // 16), (channels, columns)
    normalised, shares, to_tokens = draw(*sizes).flatten(), draw(columns), draw(*sizes).flatten()
    flat = tokens.detach().flatten().numpy()
    normalise(flat, channels, columns, 1e-5, normalised.numpy(), shares.numpy(), 0, blocks)
    torch.testing.assert_close(normalised.view(sizes), expected, rtol=1e-10, atol=1e-10)
    given, past = upstream.flatten().numpy(), beside.flatten().numpy()
    arrays = normalised.numpy(), shares.numpy(), given, past, channels, columns, to_tokens.numpy()
    normalise_gradient(*arrays, 0, blocks)
    torch.testing.assert_close(to_tokens.view(sizes), gradient + beside, rtol=1e-10, atol=1e-10)


def test_only_the_blocks_asked_for_are_written() -> None:
    tokens, normalised, shares = draw(2 * 48), torch.zeros(2 * 48).double(), torch.zeros(48).double()
    normalise(tokens.numpy(), 2, 48, 1e-5, normalised.numpy(), shares.numpy(), 1, 2)
    assert shares.nonzero().flatten().tolist() == list(range(16, 32))
    assert normalised.view(2, 48)[1].nonzero().flatten().tolist() == list(range(16, 32))


@pytest.mark.parametrize("count", [16, 31, 64])
def test_values_are_gated(count: int) -> None:
    halves, upstream = (2 * draw(2 * count)).requires_grad_(), draw(count)
    expected = halves[:count] * gelu(halves[count:])
    (gradient,) = torch.autograd.grad((expected * upstream).sum(), halves)
    read, blocks = halves.detach().numpy(), -(-count // 16)
    out, again, to_halves = draw(count), draw(count), draw(2 * count)
    gated(read, out.numpy(), count, 0, blocks)
    gated_gradient(read, upstream.numpy(), count, again.numpy(), to_halves.numpy(), 0, blocks)
    torch.testing.assert_close(out, expected.detach(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(again, out, rtol=0, atol=0)
    torch.testing.assert_close(to_halves, gradient, rtol=1e-10, atol=1e-12)
