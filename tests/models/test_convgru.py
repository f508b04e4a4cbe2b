import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from rac_ray.models.convgru import ConvGRU, ConvGRUBlock


def step(block: ConvGRUBlock, frame: Tensor, hidden: Tensor) -> Tensor:
    """Equations 7 to 10 of Ballas et al., gate by gate."""
    assert block.input_conv.bias is not None
    (w_z, w_r, w), (b_z, b_r, b) = (
        part.chunk(3) for part in (block.input_conv.weight.squeeze(2), block.input_conv.bias)
    )
    u_z, u_r = block.gates_conv.weight.chunk(2)
    z = torch.sigmoid(conv2d(frame, w_z, b_z, padding=1) + conv2d(hidden, u_z, padding=1))
    r = torch.sigmoid(conv2d(frame, w_r, b_r, padding=1) + conv2d(hidden, u_r, padding=1))
    candidate = conv2d(frame, w, b, padding=1) + conv2d(r * hidden, block.candidate_conv.weight, padding=1)
    return (1 - z) * hidden + z * torch.tanh(candidate)


def test_a_block_is_the_published_recurrence_in_values_and_gradients() -> None:
    torch.manual_seed(0)
    block, clips = ConvGRUBlock(2, 3).double(), torch.rand(2, 2, 6, 8, 8).double()
    weights = list(block.parameters())
    ours = block(clips)
    hidden, states = torch.zeros(2, 3, 8, 8).double(), []
    for frame in clips.unbind(2):
        hidden = step(block, frame, hidden)
        states.append(max_pool2d(hidden, 2))
    theirs = block.norm(torch.stack(states, dim=2))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    target = torch.rand_like(ours)
    gradients = [torch.autograd.grad((output * target).sum(), weights) for output in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_the_head_reads_the_last_step() -> None:
    model = ConvGRU(3, num_frames=20, frame_size=64, channels=1, num_classes=5).eval()
    clips = torch.rand(2, 20, 1, 64, 64)
    encoded = model.encoder(clips.transpose(1, 2))
    assert encoded.shape == (2, 3, 20, 8, 8)
    torch.testing.assert_close(model(clips), model.classifier(encoded[:, :, 19].flatten(1)))


def test_a_frame_moves_no_state_before_it() -> None:
    model = ConvGRU(3, num_frames=20, frame_size=16, channels=1, num_classes=5).eval()
    clips = torch.rand(1, 1, 20, 16, 16)
    changed = clips.clone()
    changed[:, :, 12] = 0
    one, other = model.encoder(clips), model.encoder(changed)
    assert torch.equal(one[:, :, :12], other[:, :, :12])
    assert all(not torch.equal(one[:, :, place], other[:, :, place]) for place in range(12, 20))
