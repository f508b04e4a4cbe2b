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


def test_padded_pooling_also_commutes_with_relu() -> None:
    torch.manual_seed(0)
    block, clips = CNN3DBlock(2, 3, 5, pool_padding=1).double(), torch.rand(1, 2, 7, 9, 9, dtype=torch.float64)
    theirs = block[3](nn.functional.max_pool3d(torch.relu(block[0](clips)), 2, 2, 1))
    assert theirs.shape == (1, 3, 4, 5, 5)
    torch.testing.assert_close(block(clips), theirs, rtol=1e-12, atol=1e-12)


def test_layers_may_differ_and_a_head_may_stand_on_the_mean() -> None:
    options = {"num_frames": 8, "frame_size": 16, "channels": 3, "num_classes": 4}
    layers = {"widths": (2, 3, 4), "kernels": (5, 3, 3), "pooled": (0, 2), "pool_padding": 1}
    model, clips = CNN3D(4, **options, **layers, head="mean"), torch.rand(2, 8, 3, 16, 16)
    left = model.encoder(clips.transpose(1, 2))
    assert left.shape == (2, 4, 3, 5, 5)
    assert model.classifier.in_features == 4
    model.eval()
    left = model.encoder(clips.transpose(1, 2))
    torch.testing.assert_close(model(clips), model.classifier(left.mean((2, 3, 4))))
    assert CNN3D(4, **options, **layers).classifier.in_features == 4 * 3 * 5 * 5
