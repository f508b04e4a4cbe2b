"""Tasks that end in another order than they began, on a local Ray."""

import re
import time

import pytest
import ray
from ray.exceptions import RayTaskError

from rac_ray.data.tasks import paced


@ray.remote(num_cpus=0)
def after(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_pieces_count_by_their_clips(local_ray: None) -> None:
    pending = {after.remote(seconds): clips for seconds, clips in ((2.0, 3000), (0.0, 1000))}
    found = list(paced(pending, lambda clips: clips, "videos"))
    assert [each[:3] for each in found] == [(1000, 0.0, "1,000/4,000 videos"), (3000, 2.0, "4,000/4,000 videos")]
    assert re.fullmatch(r"[\d.,]+ videos/s, about \d+ s left", found[0][3])
    assert re.fullmatch(r"[\d.,]+ videos/s, none left", found[1][3])


def test_a_task_that_fails_is_not_passed_over(local_ray: None) -> None:
    with pytest.raises(RayTaskError):
        list(paced({after.remote(-1.0): 1}, lambda clips: clips, "clips"))
