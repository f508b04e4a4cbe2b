"""Patches attend to their group and the class token: against softmax written out, task by task."""

from typing import Any

import numpy as np

from rac_ray.models.channelwise.groups import over_groups
from rac_ray.models.lanes import WIDTH

CLIPS, HEADS, CHANNELS, GROUPS, MEMBERS = 3, 2, 2, 7, 2
COLUMNS = CLIPS * (1 + GROUPS * MEMBERS)
BLOCKS = 2
"""Of sixteen among 21 pairs of group and clip."""


def test_every_query_gets_its_groups_values_and_the_class_tokens() -> None:
    """Members of a group lie side by side here; nothing is turned, and only the last task's columns are written."""
    draws = np.random.default_rng(0)
    query, key, value = draws.normal(size=(3, HEADS, CHANNELS, 1 + GROUPS * MEMBERS, CLIPS))
    out = np.full((HEADS, CHANNELS, 1 + GROUPS * MEMBERS, CLIPS), np.nan)
    tops, shares = np.zeros((2, HEADS * BLOCKS * MEMBERS * WIDTH))
    shape = CLIPS, CHANNELS, GROUPS, MEMBERS, MEMBERS * CLIPS, CLIPS
    turns = np.ones(MEMBERS * CHANNELS), np.zeros(MEMBERS * CHANNELS)
    arrays: list[Any] = [array.reshape(-1) for array in (query, key, value)]
    arrays += [*turns, 0.5, shape, out.reshape(-1), tops, shares, 3, 4]
    over_groups(*arrays)
    written = np.zeros(GROUPS * CLIPS, bool)
    written[WIDTH:] = True
    for group in range(GROUPS):
        for clip in range(CLIPS):
            tokens = [1 + group * MEMBERS + member for member in range(MEMBERS)]
            mine = out[1][:, tokens, clip]
            if not written[group * CLIPS + clip]:
                assert np.isnan(mine).all()
                continue
            others = [0, *tokens]
            weights = np.exp(0.5 * query[1][:, tokens, clip].T @ key[1][:, others, clip])
            weights /= weights.sum(1, keepdims=True)
            np.testing.assert_allclose(mine, value[1][:, others, clip] @ weights.T, rtol=1e-12)
    assert np.isnan(out[0]).all()
    assert np.isnan(out[1][:, 0]).all()
