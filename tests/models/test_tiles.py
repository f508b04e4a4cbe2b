"""Convolution by tiles against PyTorch's, and its adjoints by their definition."""

from typing import Any

import numpy as np
import pytest
import torch

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, load, splat, store
from rac_ray.models.tiles import (
    POINTS,
    apart,
    bend,
    bend_back,
    bent_weight,
    in_fours,
    inside,
    merge,
    plane_of,
    split,
    straight,
    straight_back,
    straight_weight,
)

SIZES = [(2, 2), (5, 8), (6, 7), (16, 18)]


@compiled
def bent_of(planes: Any, plane: Any, out: Any) -> None:
    bend(planes, plane.first, plane, out, 0, plane.tiles, plane.tiles)


@compiled
def bent_back(values: Any, plane: Any, planes: Any) -> None:
    bend_back(values, 0, plane.tiles, planes, plane.first, plane, plane.tiles)


@compiled
def made_straight(values: Any, plane: Any, planes: Any) -> None:
    for at in range(0, plane.tiles, WIDTH):
        pixels = straight(values, at, plane.tiles)
        for number in range(4):
            store(planes, plane.first + number * plane.size + at, pixels[number])


@compiled
def straight_gradients(gradient: Any, out: Any) -> None:
    pixels = load(gradient, 0), load(gradient, WIDTH), load(gradient, 2 * WIDTH), load(gradient, 3 * WIDTH)
    straight_back(pixels, out, 0, WIDTH)


@compiled
def straight_pixels(values: Any, out: Any) -> None:
    pixels = straight(values, 0, WIDTH)
    for number in range(4):
        store(out, number * WIDTH, pixels[number] + splat(values, 0.0))


@compiled
def distance_of(rows: int) -> int:
    return apart(rows)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_planes_hold_an_image_and_zeros_around(height: int, width: int) -> None:
    image, plane = np.arange(1.0, height * width + 1).reshape(height, width), plane_of(height, width)
    planes, back = np.zeros(4 * plane.size), np.zeros_like(image)
    split(image, planes, 0, plane)
    merge(planes, 0, plane, back)
    np.testing.assert_array_equal(back, image)
    assert np.count_nonzero(planes) == height * width
    # The second row and column of the image: odd rows and columns, first tile.
    assert planes[3 * plane.size + plane.first] == image[1, 1]
    assert inside(plane, torch.zeros(1)).sum() == height * width


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_convolution_by_tiles(height: int, width: int) -> None:
    torch.manual_seed(0)
    image, weight = torch.randn(height, width, dtype=torch.float64), torch.randn(1, 1, 3, 3, dtype=torch.float64)
    plane = plane_of(height, width)
    planes, bent = np.zeros(4 * plane.size), np.empty(POINTS * plane.tiles)
    split(image.numpy(), planes, 0, plane)
    bent_of(planes, plane, bent)
    products = bent.reshape(POINTS, -1) * bent_weight(weight)[:, 0].numpy()
    made_straight(products.reshape(-1), plane, planes)
    found = np.empty((height, width))
    merge(planes, 0, plane, found)
    expected = torch.conv2d(image[None, None], weight, padding=1)[0, 0]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12, atol=1e-12)


def test_what_goes_back_through_bending_is_its_adjoint() -> None:
    plane, draws = plane_of(9, 10), np.random.default_rng(0)
    planes, upstream = draws.normal(size=4 * plane.size), draws.normal(size=POINTS * plane.tiles)
    bent, back = np.empty(POINTS * plane.tiles), np.zeros(4 * plane.size)
    bent_of(planes, plane, bent)
    expected = bent @ upstream
    bent_back(upstream, plane, back)
    np.testing.assert_allclose(planes @ back, expected, rtol=1e-12)


def test_what_goes_back_through_straightening_is_its_adjoint() -> None:
    draws = np.random.default_rng(0)
    values, upstream = draws.normal(size=POINTS * WIDTH), draws.normal(size=4 * WIDTH)
    pixels, back = np.empty(4 * WIDTH), np.empty(POINTS * WIDTH)
    straight_pixels(values, pixels)
    straight_gradients(upstream, back)
    np.testing.assert_allclose(values @ back, pixels @ upstream, rtol=1e-12)


def test_the_fifth_point_of_a_gradient_is_the_sum_of_a_tile() -> None:
    """Which is what the bias' gradient is added up of."""
    upstream, back = np.random.default_rng(0).normal(size=4 * WIDTH), np.empty(POINTS * WIDTH)
    straight_gradients(upstream, back)
    np.testing.assert_allclose(back.reshape(POINTS, WIDTH)[5], upstream.reshape(4, WIDTH).sum(0), rtol=1e-12)


def test_a_straight_weight_is_the_adjoint_of_a_bent_one() -> None:
    torch.manual_seed(0)
    weight, upstream = torch.randn(3, 2, 3, 3).double(), torch.randn(POINTS, 3, 2).double()
    torch.testing.assert_close(
        (bent_weight(weight) * upstream).sum(), (weight * straight_weight(upstream)).sum(), rtol=1e-12, atol=0
    )


def test_rows_come_in_fours_and_the_last_are_zeros() -> None:
    weight = torch.arange(1.0, POINTS * 5 * 2 + 1).view(POINTS, 5, 2)
    found = in_fours(weight)
    assert found.shape == (POINTS, 2, 2, 4)
    assert found[0].tolist() == [[[1, 3, 5, 7], [2, 4, 6, 8]], [[9, 0, 0, 0], [10, 0, 0, 0]]]


@pytest.mark.parametrize("rows", [1, 8, 32, 192])
def test_matrices_are_no_whole_pages_apart(rows: int) -> None:
    assert 4 * distance_of(rows) % 4096 != 0
