from typing import Any

import torch
from torch import nn

from rac_ray.models.bag import BagOfFrames, FrameBlock


def bag() -> BagOfFrames:
    torch.manual_seed(0)
    return BagOfFrames(2, num_frames=20, frame_size=64, channels=1, num_classes=5).double()


def test_no_order_of_frames_changes_the_logits() -> None:
    """Neither what they are, nor, in training, what is learned from them."""
    clips, orders = torch.rand(3, 20, 1, 64, 64).double(), [torch.randperm(20) for _ in range(3)]
    model = bag()
    logits = model(clips)
    gradients = torch.autograd.grad(logits.square().sum(), list(model.parameters()))
    for order in (*orders, torch.arange(19, -1, -1)):
        again = model(clips[:, order])
        torch.testing.assert_close(again, logits, rtol=0, atol=1e-12)
        for one, other in zip(
            gradients, torch.autograd.grad(again.square().sum(), list(model.parameters())), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_the_logits_are_the_mean_of_those_of_each_frame() -> None:
    model, clips = bag().eval(), torch.rand(2, 7, 1, 64, 64).double()
    of_frames = torch.stack([model(frame.unsqueeze(1)) for frame in clips.unbind(1)])
    torch.testing.assert_close(model(clips), of_frames.mean(0), rtol=0, atol=1e-12)


def test_a_block_is_a_2d_convolution_of_each_frame() -> None:
    torch.manual_seed(0)
    block, clips = FrameBlock(2, 3).double(), torch.rand(2, 2, 5, 8, 8).double()
    parts: Any = block
    convolution, norm = parts[0], parts[3]
    frames = nn.functional.conv2d(
        clips.transpose(1, 2).flatten(0, 1), convolution.weight.squeeze(2), convolution.bias, padding=1
    )
    pooled = nn.functional.max_pool2d(frames.relu(), 2).unflatten(0, (2, 5)).transpose(1, 2)
    torch.testing.assert_close(block(clips), norm(pooled), rtol=1e-12, atol=1e-12)
