"""The forward loops of a ConvLSTM cell; with their gradient they are tested in test_recurrence."""

from functools import partial

import numpy as np
import pytest
import torch

from rac_ray.models import gates
from rac_ray.models.tiles import bent_weight, in_fours, inside, plane_of


def test_what_is_kept_are_gates_and_cells() -> None:
    """One unit, a weight that only looks at the pixel itself: all gates and cells of two frames by hand."""
    torch.manual_seed(0)
    images, plane = torch.randn(1, 1, 2, 4, 6, dtype=torch.float64), plane_of(4, 6)
    weight, bias = torch.zeros(4, 2, 3, 3, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    weight[:, 1, 1, 1] = torch.randn(4, dtype=torch.float64)
    kept, cells = images.new_empty(1, 2, 1, 4, 4, plane.tiles), images.new_empty(1, 2, 1, 4, plane.tiles)
    pooled = images.new_empty(1, 1, 2, 2, 3)
    flat = [each.reshape(-1).numpy() for each in (in_fours(bent_weight(weight)), bias, inside(plane, images))]
    arrays = [kept.view(-1).numpy(), cells.view(-1).numpy(), pooled.numpy()]
    partial(gates.forward, images.numpy(), *flat, plane, *arrays, 2)(0, 1)
    cell = torch.zeros(4, 6, dtype=torch.float64)
    for time in range(2):
        before = weight[:, 1, 1, 1, None, None] * images[0, 0, time] + bias[:, None, None]
        i, f, o = before[:3].sigmoid()
        g = before[3].tanh()
        cell = f * cell + i * g
        for number, expected in enumerate((i, f, o, g)):
            torch.testing.assert_close(pixels(kept[0, time, 0, number], plane.stride), expected)
        torch.testing.assert_close(pixels(cells[0, time, 0], plane.stride), cell)
        torch.testing.assert_close(pooled[0, 0, time], torch.max_pool2d((o * cell.tanh())[None], 2)[0])


def pixels(planes: torch.Tensor, stride: int) -> torch.Tensor:
    """(4, tiles) -> (4, 6)."""
    tiles = planes[:, : 2 * stride].unflatten(1, (2, stride))[..., :3]
    return tiles.unflatten(0, (2, 2)).permute(2, 0, 3, 1).reshape(4, 6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_not_a_number_is_seen_in_its_own_clip_alone(dtype: type) -> None:
    torch.manual_seed(0)
    images, plane = (
        torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 1, 8, 8)).astype(dtype)),
        plane_of(8, 8),
    )
    images[0, 0, 0, 3, 3] = torch.nan
    weight, bias = torch.randn(4, 2, 3, 3), torch.randn(4).to(images.dtype)
    kept, cells = images.new_empty(2, 1, 1, 4, 4, plane.tiles), images.new_empty(2, 1, 1, 4, plane.tiles)
    pooled = images.new_empty(2, 1, 1, 4, 4)
    weights = in_fours(bent_weight(weight)).to(images.dtype)
    flat = [each.reshape(-1).numpy() for each in (weights, bias, inside(plane, images))]
    arrays = [kept.view(-1).numpy(), cells.view(-1).numpy(), pooled.numpy()]
    partial(gates.forward, images.numpy(), *flat, plane, *arrays, 1)(0, 2)
    assert pooled[0, 0, 0, 1, 1].isnan()
    assert pooled[1].isfinite().all()
