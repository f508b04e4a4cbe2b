import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from rac_ray.models.convlru import FASTEST, SLOWEST, ConvLRU, ConvLRUBlock, scan, step_by_step


@pytest.mark.parametrize("num_frames", [1, 2, 3, 8, 20, 33])
def test_the_scan_is_the_recurrence_step_by_step_in_values_and_gradients(num_frames: int) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, num_frames, 4, 4, dtype=torch.complex128, requires_grad=True)
    log_factor = torch.tensor([-0.01 + 3j, -0.7 + 0.1j, -5 + 1j], dtype=torch.complex128, requires_grad=True)
    ours, theirs = scan(inputs, log_factor), step_by_step(inputs, log_factor)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    target = torch.randn_like(ours)
    gradients = [
        torch.autograd.grad((output * target).real.sum(), (inputs, log_factor), allow_unused=num_frames == 1)
        for output in (ours, theirs)
    ]
    torch.testing.assert_close(gradients[0][0], gradients[1][0], rtol=1e-12, atol=1e-12)
    if num_frames > 1:
        torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=1e-10, atol=1e-10)


def test_a_block_is_the_published_unit_in_values_and_gradients() -> None:
    """x[t] = lambda x[t-1] + exp(gain) (B u[t]), y[t] = Re(C x[t]) + D u[t] (Orvieto et al.), with complex weights."""
    torch.manual_seed(0)
    block, clips = ConvLRUBlock(2, 3).double(), torch.rand(2, 2, 6, 8, 8).double()
    weights = list(block.parameters())
    assert block.out.bias is not None
    ours = block(clips)
    real, imaginary, past = block.into.weight.squeeze(2).chunk(3)
    out = block.out.weight.squeeze(2).chunk(2, dim=1)
    factor = torch.exp(torch.complex(-block.decay.exp(), block.turn.exp())).view(-1, 1, 1)
    state, outputs = torch.zeros(2, 3, 8, 8, dtype=torch.complex128), []
    for frame in clips.unbind(2):
        driven = conv2d(frame.to(torch.complex128), torch.complex(real, imaginary), padding=1)
        state = factor * state + block.gain.exp().view(-1, 1, 1) * driven
        read = conv2d(state, torch.complex(out[0], -out[1])).real
        passing = conv2d(frame, past, padding=1)
        outputs.append(max_pool2d((read + block.out.bias.view(-1, 1, 1) + passing).relu(), 2))
    theirs = block.norm(torch.stack(outputs, dim=2))
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    target = torch.rand_like(ours)
    gradients = [torch.autograd.grad((output * target).sum(), weights) for output in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_at_first_factors_lie_on_the_ring_and_states_are_as_large_as_inputs() -> None:
    torch.manual_seed(0)
    block = ConvLRUBlock(1, 2000)
    decay, turn, gain = (weight.detach().exp() for weight in (block.decay, block.turn, block.gain))
    size = torch.exp(-decay)
    assert FASTEST <= float(size.min()) < FASTEST + 0.01
    assert SLOWEST - 0.01 < float(size.max()) <= SLOWEST
    # Uniform in area: a quarter of it is inside of the radius whose square is a quarter of the way.
    inner = math.sqrt(FASTEST**2 + (SLOWEST**2 - FASTEST**2) / 4)
    assert float((size < inner).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert 0 < float(turn.min()) < 0.02 < 3.12 < float(turn.max()) <= math.pi
    torch.testing.assert_close(gain, (1 - size**2).sqrt())


@pytest.mark.parametrize("states_of", [scan, step_by_step])
@pytest.mark.parametrize("value", [-100.0, -20.0, 0.0, 20.0])
def test_whatever_is_learned_states_do_not_grow(value: float, states_of: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A factor's size is one at most: a thousand inputs of one come to no more than a thousand."""
    decay, turn = torch.full((2,), value), torch.tensor([0.3, 2.0])
    states = states_of(torch.ones(1, 2, 1000, 1, 1, dtype=torch.complex64), torch.complex(-decay.exp(), turn))
    assert float(states.abs().max()) <= 1000
    assert torch.isfinite(torch.view_as_real(states)).all()


def test_a_frame_moves_no_state_before_it() -> None:
    model = ConvLRU(3, num_frames=20, frame_size=16, channels=1, num_classes=5).eval()
    clips = torch.rand(1, 1, 20, 16, 16)
    changed = clips.clone()
    changed[:, :, 12] = 0
    one, other = model.encoder(clips), model.encoder(changed)
    assert one.shape == (1, 3, 20, 2, 2)
    assert torch.equal(one[:, :, :12], other[:, :, :12])
    assert not torch.equal(one[:, :, 12], other[:, :, 12])
    assert not torch.equal(one[:, :, 19], other[:, :, 19])


def test_states_keep_the_weights_precision_where_convolutions_have_sixteen_bits() -> None:
    torch.manual_seed(0)
    model = ConvLRU(4, num_frames=20, frame_size=32, channels=1, num_classes=5).eval()
    clips = torch.rand(2, 20, 1, 32, 32)
    expected = model(clips)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(clips)
    torch.testing.assert_close(logits.float(), expected, rtol=0.05, atol=0.05)
