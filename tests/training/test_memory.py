"""Counted memory against sums by hand, and that checkpointing is seen to save."""

import gc
from functools import partial

import pytest
import torch
from torch import nn

from rac_ray.studies.diving48.models import build_size
from rac_ray.training.memory import LiveBytes, StepMemory, step_memory

CLIP = (32, 3, 224, 224)


def test_live_bytes_come_and_go() -> None:
    with torch.device("meta"), LiveBytes() as live:
        first = torch.empty(1000)
        second = first.view(10, 100)
        assert live.now == 4000
        third = second * 2
        assert live.now == 8000
        del first, second
        gc.collect()
        assert live.now == 4000
        third.add_(1)
    assert (live.now, live.peak) == (4000, 8000)


class Scaled(nn.Module):
    """Clips of 100 numbers as logits, times one weight, through a tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return (clips.flatten(1) * self.weight).tanh()


def test_a_small_network_by_hand() -> None:
    """One weight three times. The worst moment is the log-softmax's gradient: of each clip 100 numbers as input, after
    tanh, after log-softmax, and of the gradients on both of its sides; besides the label."""
    found = step_memory(Scaled, (1, 1, 10, 10))
    assert found == StepMemory(3 * 4, 5 * 400 + 8)
    assert found.of(5) == 12 + 5 * 2008


@pytest.mark.parametrize("name", ["cnn3d-4x128", "timesformer-15m"])
def test_a_published_batch_of_eight_fits_into_40_gb(name: str) -> None:
    assert 10e9 < step_memory(partial(build_size, name), CLIP).of(8) < 32e9


def test_sixteen_bits_and_checkpoints_need_less() -> None:
    build = partial(build_size, "timesformer-85m", num_frames=8)
    clip = (8, *CLIP[1:])
    plain, short = step_memory(build, clip), step_memory(build, clip, dtype=torch.float16)
    checkpointed = step_memory(partial(build, checkpointing=True), clip)
    assert 0.5 <= short.per_clip / plain.per_clip < 0.8
    assert checkpointed.per_clip < 0.45 * plain.per_clip
    assert checkpointed.fixed == plain.fixed == short.fixed
