"""Sixteen columns taken and put back, side by side in memory or not."""

import numpy as np
import pytest

from rac_ray.models.channelwise.columns import columns_of, gather, scatter


@pytest.mark.parametrize(
    ("block", "expected", "count"),
    [(0, [*range(3, 6), *range(13, 16), *range(23, 26), *range(33, 36), *range(43, 46), 53], 16), (1, [54, 55], 2)],
)
def test_pairs_of_group_and_clip(block: int, expected: list[int], count: int) -> None:
    """Six groups ten columns apart, three clips of each; lanes to spare repeat the last pair."""
    columns = np.empty(16, np.int64)
    assert columns_of(block, 3, 6, 10, 3, columns) == count
    assert columns.tolist() == expected + expected[-1:] * (16 - count)


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("more", [0, 1])
def test_columns_come_back_to_their_place(step: int, more: int) -> None:
    source, into = np.arange(120.0), np.full(120, 0.5)
    columns, taken = 3 + step * np.arange(16), np.empty(48)
    gather(source, 40, 40, 2, columns, taken, 16)
    np.testing.assert_array_equal(taken[16:], np.concatenate((source[40:80][columns], source[80:][columns])))
    scatter(taken, 16, 2, columns, 16, into, 40, 40, more)
    expected = np.full((3, 40), 0.5)
    expected[1:, columns] = source.reshape(3, 40)[1:, columns] + 0.5 * more
    np.testing.assert_array_equal(into.reshape(3, 40), expected)


def test_lanes_to_spare_are_not_written() -> None:
    into = np.zeros(40)
    scatter(np.ones(16), 0, 1, np.array([0, 2, 4] + 13 * [6]), 3, into, 0, 40, 1)
    assert into.nonzero()[0].tolist() == [0, 2, 4]
