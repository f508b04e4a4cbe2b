import torch
from torch import nn

from rac_ray.models.cnn3d import CNN3D, CNN3DBlock


def test_equals_the_studys_order_of_layers_in_values_and_gradients() -> None:
    """Convolution, ReLU, pooling, batch norm (facts.md 2.1); the block pools first, which must change nothing."""
    torch.manual_seed(0)
    block, clips = CNN3DBlock(1, 4).double(), torch.rand(2, 1, 20, 64, 64, dtype=torch.float64)
    convolution, norm = block[0], block[3]
    weights = list(block.parameters())
    ours = block(clips)
    theirs = norm(nn.functional.max_pool3d(torch.relu(convolution(clips)), 2, 2))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    target = torch.rand_like(ours)
    gradients = [torch.autograd.grad((output * target).sum(), weights) for output in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_twenty_frames_become_two() -> None:
    model = CNN3D(3, num_frames=20, frame_size=64, channels=1, num_classes=5)
    assert model.encoder(torch.rand(2, 1, 20, 64, 64)).shape == (2, 3, 2, 8, 8)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm3d)]
    assert [int(norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None] == [2, 2, 2]
