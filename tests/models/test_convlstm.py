from typing import Any

import torch
from torch import Tensor, nn

from rac_ray.models.convlstm import ConvLSTM, ConvLSTMBlock


def build(hidden_units: int = 3) -> ConvLSTM:
    torch.manual_seed(0)
    return ConvLSTM(hidden_units, num_frames=20, frame_size=64, channels=1, num_classes=5)


def plain_block(block: ConvLSTMBlock, clips: Tensor, side: int | None = None) -> Tensor:
    """facts.md 2.1 step by step: gates i, f, o, g; zero state; pool every h; batch norm over all frames."""
    hidden_units = block.norm.num_features
    hidden = torch.zeros(len(clips), hidden_units, *([side] * 2 if side else clips.shape[-2:]))
    cell, pooled = torch.zeros_like(hidden), []
    for time in range(clips.shape[1]):
        gates = block.input_conv(clips[:, time]) + block.recurrent_conv(hidden)
        i, f, o, g = gates.split(hidden_units, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        pooled.append(nn.functional.max_pool2d(hidden, 2, 2))
    return block.norm(torch.stack(pooled, dim=2)).transpose(1, 2)


def test_equals_the_recurrence_written_out() -> None:
    model, clips = build().double().eval(), torch.rand(2, 20, 1, 64, 64, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)
    try:
        states = clips
        for block in model.encoder:
            assert isinstance(block, ConvLSTMBlock)
            states = plain_block(block, states)
        expected = model.classifier(states[:, -1].flatten(1))
    finally:
        torch.set_default_dtype(torch.float32)
    assert states.shape == (2, 20, 3, 8, 8)
    torch.testing.assert_close(model(clips), expected, rtol=1e-12, atol=1e-12)


def test_time_flows_one_way_and_the_last_step_decides() -> None:
    model, clips = build().eval(), torch.rand(1, 20, 1, 64, 64)
    block = model.encoder[0]
    changed = clips.clone()
    changed[:, 12] = 0
    before, after = block(clips), block(changed)
    assert torch.equal(before[:, :12], after[:, :12])
    assert not torch.equal(before[:, 12:], after[:, 12:])


def test_the_block_has_no_relu() -> None:
    assert (build().encoder[0].eval()(torch.rand(1, 20, 1, 64, 64)) < 0).any()


def test_building_moves_the_running_statistics_once() -> None:
    norms = [module for module in build().modules() if isinstance(module, nn.BatchNorm3d)]
    assert [int(norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None] == [1, 1, 1]


def test_with_strides_and_larger_kernels_it_is_the_recurrence_too() -> None:
    """Diving48's blocks (facts.md 3.4): the states are at the strided size, and all steps go to the linear layer."""
    torch.manual_seed(0)
    options: Any = {"num_frames": 4, "frame_size": 13, "channels": 3, "num_classes": 5}
    model = ConvLSTM(2, **options, kernels=(7, 3), stride=2, steps="all").eval()
    clips = torch.rand(2, 4, 3, 13, 13)
    states = clips
    for block in model.encoder:
        assert isinstance(block, ConvLSTMBlock)
        strided = block.input_conv(states[:, 0]).shape[-1]
        states = plain_block(block, states, strided)
    assert states.shape == (2, 4, 2, 1, 1)
    assert model.classifier.in_features == 4 * 2
    torch.testing.assert_close(model(clips), model.classifier(states.flatten(1)))
