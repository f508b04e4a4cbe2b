import pytest
import torch
from torch import nn

from benchmarks import roofline
from benchmarks.roofline import MovedBytes, Rates, Work, counted, measured_rates, work_per_clip

CPU = torch.device("cpu")
PIXELS = 20 * 64 * 64


def test_flops_of_one_convolution() -> None:
    convolution, images = nn.Conv2d(3, 4, 3, padding=1), torch.rand(2, 3, 8, 8)
    forward = 2 * (2 * 8 * 8) * (3 * 3 * 3) * 4
    assert counted(lambda: convolution(images)).flops == forward
    both_ways = counted(lambda: convolution(images).sum().backward())
    assert both_ways.flops == 2 * forward  # images need no gradient
    all_ways = counted(lambda: convolution(images.requires_grad_()).sum().backward())
    assert all_ways.flops == 3 * forward


def test_flops_of_one_linear_layer() -> None:
    layer, rows = nn.Linear(10, 7), torch.rand(3, 10)
    assert counted(lambda: layer(rows)).flops == 2 * 3 * 10 * 7
    assert counted(lambda: layer(rows).sum().backward()).flops == 2 * (2 * 3 * 10 * 7)


def test_bytes_of_operations_counted_by_hand() -> None:
    one, other, row = torch.rand(100, 10), torch.rand(100, 10), torch.rand(10)
    size = one.nbytes
    for operation, expected in (
        (lambda: one + other, 3 * size),
        (lambda: one.add_(other), 3 * size),
        (lambda: torch.add(one, other, out=one), 3 * size),
        (lambda: one.copy_(other), 2 * size),
        (lambda: one.zero_(), size),
        (lambda: one.view(1000).t()[:5].unsqueeze(0), 0),
        (lambda: torch.empty_like(one), 0),
        (lambda: one + row.expand(100, 10), 2 * size + row.nbytes),
    ):
        with MovedBytes() as moved:
            operation()
        assert moved.total == expected


def test_work_per_clip_has_its_share_of_the_weights() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 5))
    for batch_size in (8, 64):
        training, evaluation = work_per_clip(model, batch_size, CPU)
        assert evaluation.flops == 2 * PIXELS * 5
        assert training.flops == 2 * evaluation.flops
        per_batch = 4 * (5 * PIXELS + 5)
        assert evaluation.moved_bytes == pytest.approx(4 * (PIXELS + 5) + per_batch / batch_size)
        assert training.moved_bytes > evaluation.moved_bytes


def test_the_lower_of_two_bounds_counts() -> None:
    rates = Rates(flops=100, moved_bytes=10)
    assert (rates.bound(Work(50, 1)), rates.bound_by(Work(50, 1))) == (2, "arithmetic")
    assert (rates.bound(Work(50, 20)), rates.bound_by(Work(50, 20))) == (0.5, "memory")


def test_a_devices_rates_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "COPIED_FLOATS", {"cpu": 2**20})
    monkeypatch.setattr(roofline, "MATRIX_SIZE", {"cpu": 256})
    monkeypatch.setattr(roofline, "RATE_SECONDS", 0.05)
    rates = measured_rates(CPU)
    assert rates.flops > 1e8
    assert rates.moved_bytes > 1e8
