from typing import Any

import pytest
import torch

from benchmarks.gpu.steps import CHUNKS, SIDES, STACKED_SIDES, WARM_UP, Ours, Stacked, covered, step_of, timed

CPU = torch.device("cpu")


def test_the_union_of_intervals_counts_no_moment_twice() -> None:
    assert covered([]) == 0
    assert covered([(5, 7), (0, 2), (1, 3), (1, 1.5), (7, 8)]) == 6


def test_a_timing_has_a_warm_up_an_estimate_and_chunks() -> None:
    calls = []
    timing = timed(lambda: calls.append(1), CPU, seconds=0.0)
    assert len(calls) == WARM_UP + 2 + 2 * CHUNKS
    assert 0 <= timing.ms_low <= timing.ms <= timing.ms_high


@pytest.mark.parametrize("side", SIDES)
def test_a_step_trains(side: str) -> None:
    step = step_of(side, "cnn3d", 2, 4, 8, CPU)
    step()
    owner = getattr(step, "__self__", None)
    if owner is not None:
        before = [value.clone() for value in owner.classifier.model.parameters()]
        step()
        after = list(owner.classifier.model.parameters())
        assert all(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def owner_of(side: str, seeds: int, steps: int) -> Any:
    """What has made some steps of batches of four of eight clips."""
    step = step_of(side, "cnn3d", 2, 4, 8, CPU, seeds)
    for _ in range(steps):
        step()
    return getattr(step, "__self__", None)


@pytest.mark.parametrize("side", STACKED_SIDES)
def test_in_a_stack_the_first_seed_makes_the_steps_that_it_makes_alone(side: str) -> None:
    """Two epochs' worth; it has the same weights at first and the same order of clips."""
    alone, stack = owner_of("eager", 1, 4), owner_of(side, 3, 4)
    assert isinstance(alone, Ours)
    assert isinstance(stack, Stacked)
    expected = alone.classifier.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in stack.classifier.weights_of(0).items())
    second, third = (next(iter(stack.classifier.weights_of(place).values())) for place in (1, 2))
    assert not torch.equal(second, third)
    assert stack.classifier.train_totals.sums[:, 2].tolist() == [16, 16, 16]
