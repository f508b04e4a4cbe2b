"""Where the gradient of a maximum goes; the rest of the backward loops is tested in test_recurrence."""

from typing import Any

import numpy as np
import pytest

from rac_ray.models.compiled import compiled
from rac_ray.models.gates_back import shares_of
from rac_ray.models.lanes import WIDTH, load, store


@compiled
def shares(pixels: Any, gradient: Any, out: Any) -> None:
    four = load(pixels, 0), load(pixels, WIDTH), load(pixels, 2 * WIDTH), load(pixels, 3 * WIDTH)
    found = shares_of(four, load(gradient, 0))
    for number in range(4):
        store(out, number * WIDTH, found[number])


@pytest.mark.parametrize(
    ("values", "place"),
    [([5, 1, 2, 3], 0), ([1, 5, 5, 5], 1), ([1, 2, 5, 5], 2), ([-3, -2, -2.5, -1], 3), ([4, 4, 4, 4], 0)],
)
def test_the_first_of_the_largest_has_all_of_it(values: list[float], place: int) -> None:
    pixels = np.repeat(np.array(values, np.float32), WIDTH)
    gradient = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    out = np.empty(4 * WIDTH, np.float32)
    shares(pixels, gradient, out)
    expected = np.zeros((4, WIDTH), np.float32)
    expected[place] = gradient
    np.testing.assert_array_equal(out.reshape(4, WIDTH), expected)
