"""What sixteen numbers side by side compute, against float64."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import (
    WIDTH,
    exponential,
    larger,
    load,
    normal,
    peak,
    put_away,
    quotient,
    sigmoid,
    splat,
    store,
    tanh,
    where_equal,
)

DTYPES = [np.float32, np.float64]


@compiled
def exponentials(numbers: Any, out: Any) -> None:
    for at in range(0, len(numbers), WIDTH):
        store(out, at, exponential(load(numbers, at)))


@compiled
def sigmoids(numbers: Any, out: Any) -> None:
    for at in range(0, len(numbers), WIDTH):
        store(out, at, sigmoid(load(numbers, at)))


@compiled
def tanhs(numbers: Any, out: Any) -> None:
    for at in range(0, len(numbers), WIDTH):
        store(out, at, tanh(load(numbers, at)))


@compiled
def normals(numbers: Any, densities: Any, probabilities: Any) -> None:
    for at in range(0, len(numbers), WIDTH):
        density, probability = normal(load(numbers, at))
        store(densities, at, density)
        store(probabilities, at, probability)


@compiled
def arithmetic(one: Any, other: Any, out: Any, at: int) -> None:
    left, right = load(one, at), load(other, at)
    store(out, at, quotient(left * right - left, larger(left, right)) + splat(one, 2.5))


@compiled
def comparisons(one: Any, other: Any, value: Any, peaks: Any, chosen: Any) -> None:
    put_away(peaks, 0, peak(load(one, 0), load(other, 0)))
    store(chosen, 0, where_equal(load(one, 0), load(other, 0), load(value, 0), splat(one, 0.5)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_exponentials_are_exact_to_two_units_in_the_last_place(dtype: Any) -> None:
    numbers = np.linspace(-87 if dtype == np.float32 else -700, 0, 4096).astype(dtype)
    out = np.empty_like(numbers)
    exponentials(numbers, out)
    exact = np.exp(numbers.astype(np.longdouble))
    assert np.abs(out / exact - 1).max() < 2 * np.finfo(dtype).eps
    assert out[-1] == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_gates_are_exact_to_four_units_in_the_last_place(dtype: Any) -> None:
    """Near zero and far from it, on both sides; a tanh is as exact as its number where that is small."""
    sizes = np.concatenate((np.logspace(-12, 2, 2047), [0.0]))
    numbers = np.concatenate((-sizes, sizes)).astype(dtype)
    exact, out = numbers.astype(np.longdouble), np.empty_like(numbers)
    for function, expected in ((sigmoids, 1 / (1 + np.exp(-exact))), (tanhs, np.tanh(exact))):
        function(numbers, out)
        found = np.abs(out - expected) <= 4 * np.finfo(dtype).eps * np.abs(expected) + 2 * np.finfo(dtype).tiny
        assert found.all()


def test_gates_of_what_is_not_finite() -> None:
    numbers, out = np.zeros(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    numbers[:3] = np.nan, np.inf, -np.inf
    sigmoids(numbers, out)
    np.testing.assert_allclose(out[:4], [np.nan, 1, 0, 0.5], rtol=0, atol=2e-38)
    tanhs(numbers, out)
    np.testing.assert_array_equal(out[:4], np.array([np.nan, 1, -1, 0], np.float32))


def test_exponentials_of_what_is_not_finite() -> None:
    numbers = np.full(WIDTH, -1, np.float32)
    numbers[:2] = np.nan, -np.inf
    out = np.empty_like(numbers)
    exponentials(numbers, out)
    assert np.isnan(out[0])
    assert 0 <= out[1] < 1e-37
    np.testing.assert_allclose(out[2:], math.exp(-1), rtol=1e-6)


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 2.5e-7), (np.float64, 4e-15)])
def test_the_normal_distribution(dtype: Any, limit: float) -> None:
    """Everywhere to the given absolute error, also where nothing of its tails is left."""
    numbers = np.concatenate((np.linspace(-12, 12, 4094), [-300, 300])).astype(dtype)
    densities, probabilities = np.empty_like(numbers), np.empty_like(numbers)
    normals(numbers, densities, probabilities)
    exact = [math.erfc(-number / math.sqrt(2)) / 2 for number in numbers.tolist()]
    np.testing.assert_allclose(probabilities, exact, rtol=0, atol=limit)
    bell = np.exp(-(numbers.astype(np.float64) ** 2) / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(densities, bell, rtol=0, atol=limit)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("at", [0, 3])
def test_arithmetic_touches_sixteen_numbers(dtype: Any, at: int) -> None:
    draws = np.random.default_rng(0)
    one, other = draws.uniform(1, 2, (2, 20)).astype(dtype)
    out = np.full(20, -1, dtype)
    arithmetic(one, other, out, at)
    expected = np.full(20, -1, dtype)
    expected[at : at + 16] = ((one * other - one) / np.maximum(one, other) + dtype(2.5))[at : at + 16]
    np.testing.assert_allclose(out, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_comparisons(dtype: torch.dtype) -> None:
    """A peak is NaN where one of both is; nothing is equal to NaN. Memory of torch begins at a multiple of 64 bytes."""
    one, other = torch.zeros(WIDTH, dtype=dtype), torch.zeros(WIDTH, dtype=dtype)
    one[:5], other[:5] = torch.tensor([2, 1, 3, math.nan, 1]), torch.tensor([1, 2, 3, 1, math.nan])
    value, peaks, chosen = (torch.arange(1, WIDTH + 1, dtype=dtype) for _ in range(3))
    comparisons(*(each.numpy() for each in (one, other, value, peaks, chosen)))
    expected = torch.tensor([2, 2, 3, math.nan, math.nan] + 11 * [0.0], dtype=dtype)
    torch.testing.assert_close(peaks, expected, rtol=0, atol=0, equal_nan=True)
    assert chosen.tolist() == [0.5, 0.5, 3, 0.5, 0.5, *range(6, WIDTH + 1)]
