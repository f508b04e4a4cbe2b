import pytest
import torch
from torch import nn

from rac_ray.models import build_model
from rac_ray.models.normalisation import NORMS, FrameNorm, PlainBatchNorm3d


def test_each_frame_has_mean_zero_and_deviation_one() -> None:
    torch.manual_seed(0)
    normed = FrameNorm(6)(3 + 5 * torch.rand(2, 6, 4, 8, 8))
    of_frames = normed.transpose(1, 2).flatten(2)
    torch.testing.assert_close(of_frames.mean(2), torch.zeros(2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(of_frames.std(2, correction=0), torch.ones(2, 4), atol=1e-4, rtol=0)


def test_batch_statistics_do_not_depend_on_the_layout() -> None:
    torch.manual_seed(0)
    clips = torch.rand(3, 2, 4, 8, 8)
    innermost = clips.contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(PlainBatchNorm3d(2)(innermost), nn.BatchNorm3d(2)(clips), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["convlstm", "cnn3d"])
def test_with_layer_normalisation_a_clip_does_not_see_its_batch(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, 2, normalisation="layer").train()
    clips = torch.rand(3, 20, 1, 64, 64)
    together, alone = model(clips), torch.cat([model(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.eval()(clips), together, atol=1e-5, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in model.modules())


def test_both_have_as_many_parameters() -> None:
    sizes = {name: sum(p.numel() for p in make(8).parameters()) for name, make in NORMS.items()}
    assert sizes == {"batch": 16, "layer": 16}
