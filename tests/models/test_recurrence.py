import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from rac_ray.models.convlstm import ConvLSTM, ConvLSTMBlock
from rac_ray.models.recurrence import PooledRecurrence

Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def inputs(channels: int, hidden_units: int = 2, size: tuple[int, int] = (6, 8), frames: int = 3) -> Inputs:
    """Images (2, C, T, H, W), both weights and the bias, in float64, ready for gradients."""
    torch.manual_seed(0)
    shapes = (
        (2, channels, frames, *size),
        (4 * hidden_units, channels, 3, 3),
        (4 * hidden_units, hidden_units, 3, 3),
        (4 * hidden_units,),
    )
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)  # type: ignore[return-value]


def written_out(images: Tensor, input_weight: Tensor, state_weight: Tensor, bias: Tensor) -> Tensor:
    """The cell of facts.md 2.1 with its pooling, for autograd."""
    hidden = images.new_zeros(len(images), state_weight.shape[1], *images.shape[3:])
    cell, states = hidden, []
    for frame in images.unbind(2):
        gates = torch.conv2d(frame, input_weight, bias, padding=1)
        i, f, o, g = (gates + torch.conv2d(hidden, state_weight, padding=1)).chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        states.append(max_pool2d(hidden, 2))
    return torch.stack(states, dim=2)


def gradients_of(states: Tensor, given: Inputs) -> tuple[Tensor, ...]:
    """Of a weighted sum of the states, the weights drawn alike."""
    weights = torch.rand(states.shape, dtype=states.dtype, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad((states * weights).sum(), given, retain_graph=True)


def require_same(given: Inputs, close: float) -> None:
    ours, theirs = PooledRecurrence.apply(*given, True), written_out(*given)
    torch.testing.assert_close(ours, theirs, rtol=close, atol=close)
    for one, other in zip(gradients_of(ours, given), gradients_of(theirs, given), strict=True):
        torch.testing.assert_close(one, other, rtol=close, atol=close * float(other.abs().max()))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("channels", "hidden_units", "size"),
    [
        (3, 2, (6, 8)),
        (1, 3, (5, 7)),
        (2, 1, (4, 5)),
        (4, 9, (7, 40)),
        (1, 8, (24, 26)),
        (2, 5, (40, 32)),
        (1, 1, (2, 2)),
    ],
)
def test_states_and_gradients_are_those_of_autograd(channels: int, hidden_units: int, size: tuple[int, int]) -> None:
    """Sizes that are odd and even, of one block of tiles, of several, and of a part of one; clips on two threads."""
    require_same(inputs(channels, hidden_units, size), 1e-12)


def test_single_precision() -> None:
    given = tuple(each.detach().float().requires_grad_() for each in inputs(2, 4, (16, 18)))
    require_same(given, 1e-5)  # type: ignore[arg-type]


def test_images_with_gaps() -> None:
    images, *weights = inputs(channels=2)
    apart = images.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    require_same((apart, *weights), 1e-12)  # type: ignore[arg-type]


def test_of_equal_states_the_first_gets_the_gradient() -> None:
    """Images of one value: away from the border all states of a window are equal, to the bit, in both."""
    images, *weights = inputs(channels=1, size=(12, 12))
    same = torch.full_like(images, 0.3).requires_grad_()
    require_same((same, *weights), 1e-12)  # type: ignore[arg-type]


def test_one_frame_has_no_recurrence() -> None:
    images, *weights = inputs(channels=2, frames=1)
    pooled = PooledRecurrence.apply(images, *weights, True)
    assert pooled.shape == (2, 2, 1, 3, 4)
    assert not torch.autograd.grad(pooled.sum(), weights[1])[0].any()


def test_a_second_backward_pass_finds_the_same() -> None:
    given = inputs(channels=2)
    pooled = PooledRecurrence.apply(*given, True)
    for one, other in zip(gradients_of(pooled, given), gradients_of(pooled, given), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_states_are_the_same_to_the_bit(mode: type) -> None:
    given = inputs(channels=1, frames=5)
    kept = PooledRecurrence.apply(*given, True)
    with mode():
        assert torch.equal(PooledRecurrence.apply(*given, False), kept)


def test_each_clip_is_computed_for_itself() -> None:
    images, *weights = inputs(channels=1)
    both = PooledRecurrence.apply(images, *weights, False)
    assert torch.equal(PooledRecurrence.apply(images[1:], *weights, False), both[1:])


def both_ways(model: ConvLSTM, clips: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
    """Logits and gradients by tiles, and frame by frame through autograd."""
    results = []
    for block_forward in (ConvLSTMBlock._in_tiles, ConvLSTMBlock._frame_by_frame):
        states = clips
        for block in model.encoder:
            assert isinstance(block, ConvLSTMBlock)
            states = block_forward(block, states)
        logits = model.classifier(states[:, -1].flatten(1))
        loss = nn.functional.cross_entropy(logits, torch.arange(len(clips)) % 5)
        results.append((logits, list(torch.autograd.grad(loss, list(model.parameters())))))
    return results


def test_models_train_by_tiles_as_frame_by_frame() -> None:
    """Float64 agrees to 1e-9 for every parameter, in training mode."""
    torch.manual_seed(0)
    model = ConvLSTM(3, num_frames=20, frame_size=64, channels=1, num_classes=5).double()
    (logits, gradients), (expected, expected_gradients) = both_ways(
        model, torch.rand(5, 20, 1, 64, 64, dtype=torch.float64)
    )
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    for one, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_single_precision_is_as_exact_as_autograd() -> None:
    """Logits of both ways differ by at most 1e-5 of the largest, in training mode, at h=8."""
    torch.manual_seed(0)
    model = ConvLSTM(8, num_frames=20, frame_size=64, channels=1, num_classes=5)
    (logits, _), (expected, _) = both_ways(model, torch.rand(4, 20, 1, 64, 64))
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()
