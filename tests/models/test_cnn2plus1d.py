from typing import Any

import pytest
import torch
from torch import nn

from rac_ray.models.cnn2plus1d import CNN2Plus1D, FactorisedBlock, channels_between


@pytest.mark.parametrize(
    ("channels", "hidden_units", "between"),
    [
        (64, 64, 144),
        (64, 128, 230),
        (128, 128, 288),
        (128, 256, 460),
        (256, 256, 576),
        (256, 512, 921),
        (512, 512, 1152),
    ],
)
def test_the_published_networks_channels(channels: int, hidden_units: int, between: int) -> None:
    """R(2+1)D-18's of Tran et al., as torchvision has them, too."""
    assert channels_between(channels, hidden_units) == between


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 48])
@pytest.mark.parametrize("hidden_units", [1, 2, 7, 48])
def test_weights_are_those_of_a_3d_convolution_or_just_below(channels: int, hidden_units: int) -> None:
    between, most = channels_between(channels, hidden_units), 27 * channels * hidden_units
    of_one = 9 * channels + 3 * hidden_units
    assert between >= 1
    assert most - of_one < between * of_one <= most
    block: Any = FactorisedBlock(channels, hidden_units)
    assert block[0].weight.numel() + block[3].weight.numel() == between * of_one


def test_a_block_is_what_it_says_in_values_and_gradients() -> None:
    """Convolutions written out; ReLU before the pooling, which must change nothing."""
    torch.manual_seed(0)
    block: Any = FactorisedBlock(2, 3).double()
    clips = torch.rand(2, 2, 6, 8, 8).double()
    space, first_norm, _, time, _, _, last_norm = block
    weights = list(block.parameters())
    ours = block(clips)
    frames = nn.functional.conv2d(clips.transpose(1, 2).flatten(0, 1), space.weight.squeeze(2), padding=1)
    middle = first_norm(frames.unflatten(0, (2, 6)).transpose(1, 2)).relu()
    lines = nn.functional.conv1d(
        middle.permute(0, 3, 4, 1, 2).flatten(0, 2), time.weight.flatten(2), time.bias, padding=1
    )
    convolved = lines.unflatten(0, (2, 8, 8)).permute(0, 3, 4, 1, 2)
    theirs = last_norm(nn.functional.max_pool3d(convolved.relu(), 2))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    target = torch.rand_like(ours)
    gradients = [torch.autograd.grad((output * target).sum(), weights) for output in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_twenty_frames_become_two() -> None:
    model = CNN2Plus1D(3, num_frames=20, frame_size=64, channels=1, num_classes=5)
    assert model.encoder(torch.rand(2, 1, 20, 64, 64)).shape == (2, 3, 2, 8, 8)
