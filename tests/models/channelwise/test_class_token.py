"""The class token attends to all tokens: against softmax written out."""

from typing import Any

import numpy as np

from rac_ray.models.channelwise.class_token import over_all
from rac_ray.models.lanes import WIDTH

CLIPS, HEADS, CHANNELS, TOKENS = 18, 2, 3, 4


def test_it_gets_the_values_of_all_tokens() -> None:
    draws = np.random.default_rng(0)
    query, key, value = draws.normal(size=(3, HEADS, CHANNELS, TOKENS, CLIPS))
    out = np.full_like(query, np.nan)
    tops, shares = np.zeros((2, HEADS * 2 * WIDTH))
    arrays: list[Any] = [array.reshape(-1) for array in (query, key, value)]
    arrays += [0.5, (CLIPS, CHANNELS, TOKENS, TOKENS * CLIPS), out.reshape(-1), tops, shares, 0, HEADS * 2]
    over_all(*arrays)
    weights = np.exp(0.5 * np.einsum("hcb,hctb->htb", query[:, :, 0], key))
    weights /= weights.sum(1, keepdims=True)
    np.testing.assert_allclose(out[:, :, 0], np.einsum("htb,hctb->hcb", weights, value), rtol=1e-12)
    assert np.isnan(out[:, :, 1:]).all()
