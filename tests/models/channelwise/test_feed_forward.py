"""The feed-forward layer against the library's: values and every gradient in float64."""

import pytest
import torch

from rac_ray.models.channelwise.feed_forward import FeedForward
from rac_ray.models.channelwise.forward import of_feed_forward
from tests.models.channelwise.library import build, by_channel, by_clip


@pytest.mark.parametrize(("hidden_units", "heads", "clips"), [(2, 1, 2), (6, 3, 5), (8, 2, 16)])
def test_it_is_the_librarys_layer(hidden_units: int, heads: int, clips: int) -> None:
    layer = build(hidden_units, heads, 2, 2).layers[0][2]
    tokens = torch.randn(clips, 9, hidden_units * heads, dtype=torch.float64, requires_grad=True)
    ours = by_clip(FeedForward.apply(by_channel(tokens), *of_feed_forward(layer)), clips)
    theirs = tokens + layer(tokens)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    upstream, inputs = torch.randn_like(ours), [tokens, *layer.parameters()]
    gradients = [torch.autograd.grad((out * upstream).sum(), inputs) for out in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
