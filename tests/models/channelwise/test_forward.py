"""Whole TimeSformers channel by channel against the library's own forward pass."""

from typing import Any

import pytest
import torch

from rac_ray.models.channelwise import forward
from rac_ray.models.channelwise.forward import clips_together, logits, takes
from tests.models.channelwise.library import build

SHAPES = [
    (2, 1, 3, 20, 4, {}),
    (2, 8, 17, 4, 2, {}),
    (10, 2, 2, 3, 3, {"channels": 3, "num_classes": 7}),
    (4, 3, 1, 5, 2, {"depth": 1}),
]
"""h, heads, clips, frames, rows of patches, and other options."""


def clips_for(transformer: Any, clips: int, num_frames: int, rows: int) -> torch.Tensor:
    channels = transformer.to_patch_embedding.in_features // 256
    return torch.rand(clips, num_frames, channels, 16 * rows, 16 * rows, dtype=torch.float64)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_and_gradients_are_the_librarys(shape: tuple[Any, ...], threads: int) -> None:
    hidden_units, heads, count, num_frames, rows, options = shape
    transformer = build(hidden_units, heads, num_frames, rows, **options)
    clips, before = clips_for(transformer, count, num_frames, rows), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours, theirs = logits(transformer, clips), transformer(clips)
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
        target, weights = torch.randn_like(ours), list(transformer.parameters())
        gradients = [torch.autograd.grad((out * target).sum(), weights) for out in (ours, theirs)]
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*gradients, strict=True):
        assert (one - other).norm() <= 1e-9 * other.norm() + 1e-12


def test_float32_is_within_rounding_of_float64() -> None:
    transformer = build(8, 2, 4, 2).float()
    for parameter in transformer.parameters():
        parameter.data *= 0.2
    clips = torch.rand(5, 4, 1, 32, 32)
    ours = logits(transformer, clips)
    exact = transformer.double()(clips.double())
    assert (ours - exact).norm() < 1e-6 * exact.norm()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_logits_without_gradients_are_the_same(mode: Any) -> None:
    transformer = build(4, 2, 3, 2)
    clips = clips_for(transformer, 3, 3, 2)
    with mode():
        made = logits(transformer, clips)
    assert not made.requires_grad
    torch.testing.assert_close(made, logits(transformer, clips).detach(), rtol=0, atol=0)


def test_groups_of_clips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer = build(4, 2, 3, 2)
    clips = clips_for(transformer, 35, 3, 2)
    monkeypatch.setattr(forward, "GROUP_BYTES", 1)
    assert clips_together(transformer, clips) == 16
    torch.testing.assert_close(logits(transformer, clips), transformer(clips), rtol=1e-10, atol=1e-10)


def test_as_many_clips_as_the_cache_holds() -> None:
    """13 tokens of 8 channels, eight times as wide at most, in float64: 6656 bytes of 3 MiB, 29 times 16 clips."""
    transformer = build(4, 2, 3, 2)
    assert clips_together(transformer, clips_for(transformer, 1, 3, 2)) == 464


def test_a_clip_that_is_not_a_number_harms_no_other() -> None:
    transformer = build(2, 2, 3, 2)
    clips = clips_for(transformer, 4, 3, 2)
    expected = transformer(clips)
    clips[1, 2, 0, 5, 5] = torch.nan
    made = logits(transformer, clips)
    assert made[1].isnan().all()
    torch.testing.assert_close(made[[0, 2, 3]], expected[[0, 2, 3]], rtol=1e-10, atol=1e-10)


def test_what_it_takes() -> None:
    transformer = build(2, 1, 3, 2)
    clips = clips_for(transformer, 2, 3, 2)
    assert takes(transformer, clips)
    assert not takes(transformer, clips[:1])  # 13 tokens, which fill no register
    assert not takes(transformer, clips.float())
    assert not takes(transformer.to(torch.bfloat16), clips.to(torch.bfloat16))
    assert not takes(transformer.double(), clips.clone().requires_grad_())
    assert not takes(transformer, clips.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not takes(transformer, clips)
