"""Divided attention against the library's layers: values and every gradient in float64."""

from typing import Any

import pytest
import torch

from rac_ray.models.channelwise.attention import Attention, ClassAttention
from rac_ray.models.channelwise.forward import of_attention
from tests.models.channelwise.library import build, by_channel, by_clip, layouts

SHAPES = [(2, 1, 3, 5, 2), (4, 2, 17, 3, 3), (6, 3, 1, 4, 2), (16, 2, 16, 2, 1)]
"""h, heads, clips, frames, rows of patches: less than sixteen pairs of group and clip, more, and exactly as many."""


def library(layer: Any, tokens: torch.Tensor, transformer: Any, over: str, num_frames: int, rows: int) -> torch.Tensor:
    if over == "time":
        turns = transformer.frame_rot_emb(num_frames, device="cpu")
        return tokens + layer(tokens, "b (f n) d", "(b n) f d", n=rows * rows, rot_emb=turns)
    turns = transformer.image_rot_emb(rows, rows, device="cpu")
    return tokens + layer(tokens, "b (f n) d", "(b f) n d", f=num_frames, rot_emb=turns)


@pytest.mark.parametrize("of_class", [False, True])
@pytest.mark.parametrize("over", ["time", "space"])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_librarys_layer(shape: tuple[int, ...], over: str, of_class: bool) -> None:
    hidden_units, heads, clips, num_frames, rows = shape
    transformer = build(hidden_units, heads, num_frames, rows)
    index = ["time", "space"].index(over)
    layer, layout = transformer.layers[0][index], layouts(transformer, clips, num_frames, rows)[index]
    tokens = torch.randn(clips, 1 + num_frames * rows * rows, hidden_units * heads, dtype=torch.float64)
    tokens.requires_grad_()
    function = ClassAttention if of_class else Attention
    ours = by_clip(function.apply(by_channel(tokens), *of_attention(layer), layout), clips)
    theirs = library(layer, tokens, transformer, over, num_frames, rows)[:, : ours.shape[1]]
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    upstream, inputs = torch.randn_like(ours), [tokens, *layer.parameters()]
    gradients = [torch.autograd.grad((out * upstream).sum(), inputs) for out in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_second_gradient_is_refused() -> None:
    transformer = build(2, 1, 2, 2)
    tokens = torch.randn(2, 9 * 3, dtype=torch.float64, requires_grad=True)
    layout = layouts(transformer, 3, 2, 2)[0]
    out = Attention.apply(tokens, *of_attention(transformer.layers[0][0]), layout)
    (gradient,) = torch.autograd.grad(out.square().sum(), tokens, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
