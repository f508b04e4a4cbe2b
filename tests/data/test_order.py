import numpy as np
import pytest
import torch

from rac_ray.data.order import Mirror, Share, torch_permutation
from rac_ray.errors import BadInput


@pytest.mark.parametrize(("size", "seed"), [(0, 1), (1, 1), (5, 0), (5000, 42), (15_027, 42)])
def test_it_is_torchs(size: int, seed: int) -> None:
    expected = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    assert torch_permutation(size, seed).tolist() == expected.tolist()


def steps_of(share: Share, clips: int, epoch: int) -> list[list[int]]:
    """The clips of each step."""
    order = share.order(clips, epoch)
    return [order[share.mine(step)].tolist() for step in range(share.steps(clips))]


def test_the_order_is_a_permutation_of_key_and_epoch_without_the_short_batch() -> None:
    share = Share(4, key=42)
    first = steps_of(share, 18, 0)
    assert [len(step) for step in first] == [4, 4, 4, 4]
    assert len({clip for step in first for clip in step}) == 16
    assert steps_of(share, 18, 0) == first
    assert steps_of(share, 18, 1) != first
    assert steps_of(Share(4, key=43), 18, 0) != first


@pytest.mark.parametrize("world", [2, 3])
def test_workers_share_each_step_without_overlap(world: int) -> None:
    """The clips of a step are the same ones whatever the number of workers."""
    alone = steps_of(Share(4, key=1), 18, 2)
    shared = [steps_of(Share(4, rank, world, key=1), 18, 2) for rank in range(world)]
    for step, clips in enumerate(alone):
        assert sorted(clips) == sorted(clip for each in shared for clip in each[step])


def test_validation_sees_every_clip_once_in_order() -> None:
    shares = [Share(4, rank, 2, whole_steps=False) for rank in (0, 1)]
    assert [steps_of(share, 7, 5) for share in shares] == [[[0, 2], [4, 6]], [[1, 3], [5]]]


def test_too_few_clips_are_told() -> None:
    with pytest.raises(BadInput, match="9 workers for steps of 8 clips; valid: one clip each, or more"):
        Share(8, world=9)
    with pytest.raises(BadInput, match="21 workers for 20 validation clips; valid: one clip each, or more"):
        Share(64, world=21, whole_steps=False).require(20)
    with pytest.raises(BadInput, match="20 training clips do not fill one batch of 64"):
        Share(64, key=0).require(20)


def test_half_of_the_clips_are_mirrored_others_in_the_next_epoch() -> None:
    mirror = Mirror(42)
    flips = np.array([[mirror(epoch, f"clip{number}") for number in range(2000)] for epoch in (0, 1)])
    assert flips.mean() == pytest.approx(0.5, abs=0.03)
    assert (flips[0] == flips[1]).mean() == pytest.approx(0.5, abs=0.05)
