"""On a CPU nothing is recorded; what a GPU does is tested where there is one."""

import logging
import math

import pytest
import torch
from torch import Tensor, nn

from rac_ray.training.recorded import WARM_UP, RecordedStep, difference

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class Counter:
    """A step that adds the sum of its frames to a total, and counts how often Python came by."""

    def __init__(self, device: str) -> None:
        self.total = torch.zeros((), device=device)
        self.calls = 0

    def __call__(self, frames: Tensor, labels: Tensor) -> None:
        self.calls += 1
        self.total += frames.sum() + labels.sum()


def batch(value: float, size: int, device: str) -> tuple[Tensor, Tensor]:
    return torch.full((size, 2), value, device=device), torch.zeros(size, dtype=torch.int64, device=device)


def test_a_cpu_makes_every_step_itself() -> None:
    counter = Counter("cpu")
    step = RecordedStep(counter, lambda: [counter.total])
    for value in range(10):
        step(*batch(value, 3, "cpu"))
    assert counter.calls == 10
    assert counter.total == 6 * sum(range(10))


@gpu
def test_a_gpu_replays_batches_of_one_shape_and_makes_others_itself() -> None:
    counter = Counter("cuda")
    step = RecordedStep(counter, lambda: [counter.total])
    for value in range(10):
        step(*batch(value, 3, "cuda"))
    step(*batch(100, 2, "cuda"))
    assert counter.total == 6 * sum(range(10)) + 400
    assert counter.calls == WARM_UP + 2 + 1  # once to compare with, once to record
    assert not step.given_up


@gpu
def test_a_step_that_cannot_be_recorded_is_made_itself(caplog: pytest.LogCaptureFixture) -> None:
    counter = Counter("cuda")

    def asks(frames: Tensor, labels: Tensor) -> None:
        counter(frames, labels)
        float(counter.total)

    step = RecordedStep(asks, lambda: [counter.total])
    with caplog.at_level(logging.WARNING):
        for value in range(10):
            step(*batch(value, 3, "cuda"))
    assert counter.total == 6 * sum(range(10))
    assert caplog.text.count("steps are made without a CUDA graph; recording failed") == 1


@gpu
def test_a_replay_that_differs_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """The step adds a number of Python's that changes from call to call: a recording keeps the first."""
    total, calls = torch.zeros((), device="cuda"), []

    def forgetful(frames: Tensor, labels: Tensor) -> None:
        calls.append(1)
        total.add_(len(calls))

    step = RecordedStep(forgetful, lambda: [total])
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            step(*batch(0, 3, "cuda"))
    assert "a replayed step is off by" in caplog.text
    assert step.given_up


def test_difference_is_relative_per_tensor() -> None:
    model = nn.Linear(2, 2)
    state = list(model.parameters())
    assert difference(state, state) == 0
    assert difference([torch.tensor([1.0, 0]), torch.tensor(100)], [torch.tensor([1.0, 0]), torch.tensor(80)]) == 0.25
    assert difference([torch.tensor(math.nan)], [torch.tensor(1.0)]) == math.inf
    assert difference(state, []) == math.inf
