import pytest
import torch

from rac_ray.models.channelwise.forward import logits
from rac_ray.models.timesformer import TimeSformerClassifier, fused


def build(hidden_units: int, heads: int) -> TimeSformerClassifier:
    torch.manual_seed(0)
    model = TimeSformerClassifier(hidden_units, heads=heads, num_frames=20, frame_size=64, channels=1, num_classes=5)
    return model.eval()


def permuted_patches(clips: torch.Tensor) -> torch.Tensor:
    """Reverse the order of the sixteen 16x16 patches of every frame."""
    patches = clips.unflatten(-1, (4, 16)).unflatten(-3, (4, 16))
    return patches.flip(-4, -2).flatten(-4, -3).flatten(-2)


@pytest.mark.parametrize("heads", [1, 8])
def test_two_hidden_units_leave_no_spatial_position(heads: int) -> None:
    """facts.md 0.5: the axial rotary has no dimensions at dim_head 2, so patches may change places unseen."""
    clips = torch.rand(2, 20, 1, 64, 64)
    model = build(2, heads)
    torch.testing.assert_close(model(clips), model(permuted_patches(clips)), rtol=1e-4, atol=1e-5)


def test_four_hidden_units_know_where_a_patch_is() -> None:
    clips = torch.rand(2, 20, 1, 64, 64)
    model = build(4, 8)
    assert (model(clips) - model(permuted_patches(clips))).abs().max() > 1e-4


def test_the_order_of_frames_matters() -> None:
    clips = torch.rand(2, 20, 1, 64, 64)
    model = build(2, 8)
    assert (model(clips) - model(clips.flip(1))).abs().max() > 1e-4


def test_the_residual_stream_is_heads_times_hidden_units_wide() -> None:
    assert build(6, 8).transformer.cls_token.shape == (1, 48)


def test_groups_of_clips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of two of five clips: 321 tokens of 32 channels, eight times as wide at most, in float64."""
    model = build(4, 8).double()
    clips = torch.rand(5, 20, 1, 64, 64, dtype=torch.float64)
    monkeypatch.setattr("rac_ray.models.timesformer.KNOWN_LIBRARY", False)
    monkeypatch.setattr("rac_ray.models.timesformer._GROUP_BYTES", 2 * 321 * 32 * 8 * 8)
    assert model._clips_together(clips) == 2
    torch.testing.assert_close(model(clips), model.transformer(clips), rtol=1e-12, atol=1e-12)


def test_a_cpu_goes_channel_by_channel() -> None:
    """To the bit; unless layers are to be computed again, when it is the library that runs."""
    model = build(4, 8)
    clips = torch.rand(3, 20, 1, 64, 64)
    by_channel, by_library = logits(model.transformer, clips), model.transformer(clips)
    assert not torch.equal(by_channel, by_library)
    assert torch.equal(model(clips), by_channel)
    model.checkpointing = True
    assert torch.equal(model(clips), by_library)
    with torch.no_grad():
        assert torch.equal(model(clips), by_channel)


@pytest.mark.parametrize("hidden_units", [2, 4, 6, 10])
@pytest.mark.parametrize("heads", [1, 8])
def test_fused_attention_is_the_librarys_arithmetic(hidden_units: int, heads: int) -> None:
    """Logits and every gradient in float64, at head widths with no, partly and wholly turned channels in space."""
    transformer = build(hidden_units, heads).double().transformer
    clips, target = torch.rand(2, 20, 1, 64, 64, dtype=torch.float64), torch.rand(2, 5, dtype=torch.float64)
    ours, theirs = fused(transformer, clips), transformer(clips)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = list(transformer.parameters())
    gradients = [torch.autograd.grad((made * target).sum(), weights) for made in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_fused_attention_in_sixteen_bits_is_as_exact_as_the_librarys() -> None:
    """bfloat16 autocast: both are within 2 % of float32, and the sum of what layers add stays in 32 bits."""
    transformer = build(8, 8).transformer
    clips = torch.rand(8, 20, 1, 64, 64)
    exact = transformer(clips)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = fused(transformer, clips), transformer(clips)
    for made in (ours, theirs):
        assert (made.float() - exact).norm() < 0.02 * exact.norm()


@pytest.mark.parametrize("fuse", [False, True])
def test_checkpointed_layers_give_the_same_gradients(fuse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU and by the way that GPUs take."""
    if fuse:
        monkeypatch.setattr(
            TimeSformerClassifier, "forward", lambda self, clips: fused(self.transformer, clips, self._run())
        )
    clips, target = torch.rand(2, 20, 1, 64, 64, dtype=torch.float64), torch.rand(2, 5, dtype=torch.float64)
    gradients = []
    for checkpointing in (False, True):
        model = build(4, 8).double()
        model.checkpointing = checkpointing
        (model(clips) * target).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
