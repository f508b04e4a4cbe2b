import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from rac_ray.models.convlstm import ConvLSTM, ConvLSTMBlock
from rac_ray.models.recurrence import PooledRecurrence, side_by_side, widened


def inputs(
    channels: int, kernel: int = 3, hidden_units: int = 2, size: tuple[int, int] = (5, 6)
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Frames (3, 2, H, W, C), both weights and the bias, in float64, ready for gradients."""
    torch.manual_seed(0)
    shapes = (
        (3, 2, *size, channels),
        (4 * hidden_units, channels, kernel, kernel),
        (4 * hidden_units, hidden_units, kernel, kernel),
        (4 * hidden_units,),
    )
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)  # type: ignore[return-value]


def written_out(frames: Tensor, input_weight: Tensor, state_weight: Tensor, bias: Tensor) -> Tensor:
    """The cell of facts.md 2.1 with its pooling, for autograd."""
    padding = input_weight.shape[-1] // 2
    hidden = frames.new_zeros(*frames.shape[1:-1], state_weight.shape[1]).permute(0, 3, 1, 2)
    cell, states = hidden, []
    for frame in frames.permute(0, 1, 4, 2, 3):
        gates = torch.conv2d(frame, input_weight, bias, padding=padding)
        i, f, o, g = (gates + torch.conv2d(hidden, state_weight, padding=padding)).chunk(4, dim=1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        states.append(max_pool2d(hidden, 2))
    return torch.stack(states).permute(0, 1, 3, 4, 2)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("channels", "kernel", "hidden_units", "size"),
    [(3, 3, 2, (5, 6)), (1, 5, 2, (5, 6)), (2, 1, 3, (4, 4)), (2, 3, 5, (7, 9)), (1, 3, 8, (6, 8)), (2, 3, 17, (9, 8))],
)
def test_states_and_gradients_are_those_of_autograd(
    channels: int, kernel: int, hidden_units: int, size: tuple[int, int], threads: int
) -> None:
    """Sizes that are and are not whole registers, blocks of 64 pixels, and pixels side by side."""
    given, before = inputs(channels, kernel, hidden_units, size), torch.get_num_threads()
    torch.set_num_threads(threads)
    require_same(given)
    torch.set_num_threads(before)


def require_same(given: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    ours, theirs = PooledRecurrence.apply(*given), written_out(*given)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    target = torch.rand_like(theirs)
    gradients = [torch.autograd.grad((hidden * target).sum(), given) for hidden in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_one_frame_has_no_recurrence() -> None:
    frames, input_weight, state_weight, bias = inputs(channels=2)
    hidden = PooledRecurrence.apply(frames[:1], input_weight, state_weight, bias)
    of_state = torch.autograd.grad(hidden.sum(), state_weight)[0]
    assert hidden.shape == (1, 2, 2, 3, 2)
    assert not of_state.any()


def test_a_second_backward_pass_is_refused_since_the_first_one_overwrites() -> None:
    hidden = PooledRecurrence.apply(*inputs(channels=2))
    hidden.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        hidden.sum().backward()


@pytest.mark.parametrize(("channels", "width", "pixels"), [(2, 64, 4), (8, 64, 2), (8, 7, 1), (16, 64, 1), (3, 6, 1)])
def test_pixels_are_made_side_by_side_where_they_divide_the_width(channels: int, width: int, pixels: int) -> None:
    assert side_by_side(channels, width) == pixels


def test_a_widened_weight_makes_several_pixels_at_once() -> None:
    torch.manual_seed(0)
    images, weight = torch.randn(2, 3, 5, 8, dtype=torch.float64), torch.randn(2, 3, 3, 3, dtype=torch.float64)
    wide = torch.conv2d(images, widened(weight, 4), stride=(1, 4), padding=1)
    found = wide.permute(0, 2, 3, 1).reshape(2, 5, 8, 2).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, torch.conv2d(images, weight, padding=1), rtol=1e-12, atol=1e-12)


def both_ways(model: ConvLSTM, clips: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
    """Logits and gradients in groups of clips, and frame by frame through autograd."""
    results = []
    for block_forward in (ConvLSTMBlock._in_groups, ConvLSTMBlock._frame_by_frame):
        states = clips
        for block in model.encoder:
            assert isinstance(block, ConvLSTMBlock)
            states = block_forward(block, states)
        logits = model.classifier(states[:, -1].flatten(1))
        loss = nn.functional.cross_entropy(logits, torch.arange(len(clips)) % 5)
        results.append((logits, list(torch.autograd.grad(loss, list(model.parameters())))))
    return results


def test_groups_of_clips_train_as_frame_by_frame_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of two of five clips; float64 agrees to 1e-9 for every parameter, in training mode."""
    monkeypatch.setattr("rac_ray.models.convlstm._GROUP_BYTES", 2 * 4 * 3 * 64 * 64 * 8)
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
