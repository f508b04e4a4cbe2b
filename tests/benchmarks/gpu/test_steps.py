import pytest
import torch

from benchmarks.gpu.steps import CHUNKS, SIDES, WARM_UP, covered, step_of, timed

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
