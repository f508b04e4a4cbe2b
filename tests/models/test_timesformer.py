import pytest
import torch

from rac_ray.models.timesformer import TimeSformerClassifier


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
