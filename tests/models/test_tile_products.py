"""Products of small matrices in flat arrays, against NumPy's."""

from typing import Any

import numpy as np
import pytest

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH
from rac_ray.models.tile_products import REGISTERS, ROWS, correlate, multiply

STRIDE = 2 * REGISTERS * WIDTH
DTYPES = [np.float32, np.float64]


@compiled
def multiplied(weights: Any, values: Any, depth: int, sums: Any, at: int) -> None:
    multiply(weights, ROWS, values, at, STRIDE, depth, sums, at)


@compiled
def correlated(rows: Any, values: Any, count: int, sums: Any, at: int) -> None:
    correlate(rows, at, values, at, STRIDE, count, sums, 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [0, 1, 7])
def test_four_rows_are_multiplied(depth: int, dtype: Any) -> None:
    draws, width = np.random.default_rng(0), REGISTERS * WIDTH
    weights, values = draws.normal(size=(8, ROWS)).astype(dtype), draws.normal(size=(8, STRIDE)).astype(dtype)
    sums, at = np.full((ROWS, STRIDE), 7, dtype), WIDTH
    multiplied(weights.reshape(-1), values.reshape(-1), depth, sums.reshape(-1), at)
    expected = np.full((ROWS, STRIDE), 7, dtype)
    expected[:, at : at + width] = weights[1 : 1 + depth].T @ values[:depth, at : at + width]
    np.testing.assert_allclose(sums, expected, rtol=10 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("registers", [0, 1, 2])
def test_four_rows_and_four_values_are_multiplied_and_summed_up(registers: int, dtype: Any) -> None:
    draws, count = np.random.default_rng(0), min(registers * WIDTH, STRIDE)
    rows, values = (draws.normal(size=ROWS * STRIDE + 1).astype(dtype) for _ in range(2))
    sums, at = np.full(20, 7, dtype), 1
    correlated(rows, values, count, sums, at)
    one, other = (each[at:].reshape(ROWS, STRIDE)[:, :count] for each in (rows, values))
    expected = 7 + one @ other.T
    np.testing.assert_allclose(sums[2:18].reshape(4, 4), expected, rtol=0, atol=200 * np.finfo(dtype).eps)
    assert (sums[[0, 1, 18, 19]] == 7).all()
