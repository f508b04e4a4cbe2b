"""The compiled loops of a ConvLSTM cell against PyTorch's operations; what they are for is in test_recurrence."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import max_pool2d

from rac_ray.models import gates


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hidden_units", [1, 2, 8, 20])
@pytest.mark.parametrize("pixels", [1, 15, 64, 130])
def test_a_step_of_the_cell(pixels: int, hidden_units: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values, more = (3 * torch.randn(pixels, 4, hidden_units, dtype=dtype) for _ in range(2))
    before = torch.randn(pixels, hidden_units, dtype=dtype)
    enter, forget, leave = (values + more)[:, :3].sigmoid().unbind(1)
    cell = enter * (values + more)[:, 3].tanh() + forget * before
    found_cell, hidden = torch.empty_like(before), torch.empty_like(before)
    scales = gates.scales_of(hidden_units, before.numpy())
    arrays = [each.reshape(-1).numpy() for each in (values, more)]
    rest = [each.view(-1).numpy() for each in (before, found_cell, hidden)]
    partial(gates.forward, *arrays, scales, *rest)(0, pixels)
    close = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(found_cell, cell, rtol=close, atol=2 * close)
    torch.testing.assert_close(hidden, leave * cell.tanh(), rtol=close, atol=2 * close)
    torch.testing.assert_close(values[:, :3], torch.stack((enter, forget, leave), dim=1), rtol=close, atol=close)


@pytest.mark.parametrize("hidden_units", [1, 2, 3, 4, 17])
def test_parts_of_the_pixels_are_left_alone(hidden_units: int) -> None:
    """As threads do it: the last pixels first, then the first 70, come to what all of them come to at once."""
    torch.manual_seed(0)
    size = 150 * hidden_units
    values, before = torch.randn(4 * size), torch.randn(size)
    scales, results = gates.scales_of(hidden_units, before.numpy()), []
    for bounds in ([(0, 150)], [(70, 150), (0, 70)]):
        now, cell, hidden = values.clone().numpy(), np.zeros(size, np.float32), np.zeros(size, np.float32)
        for first, last in bounds:
            gates.forward(now, now[:0], scales, before.numpy(), cell, hidden, first, last)
        to_cell = np.ones(size, np.float32)
        for first, last in bounds:
            gates.backward(now, scales, before.numpy(), cell, hidden, hidden, to_cell, first, last)
        results.append((now, cell, hidden, to_cell))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("values", [[5.0, 1.0, 5.0, 2.0], [1.0, 1.0, 1.0, 1.0], [0.0, float("nan"), 3.0, 1.0]])
def test_pooling_takes_the_first_of_equal_values_and_nan(values: list[float]) -> None:
    images = torch.tensor(values).view(1, 2, 2, 1)
    pooled, places = torch.empty(1, 1, 1, 1), torch.empty(1, 1, 1, 1, dtype=torch.uint8)
    gates.pool(images.numpy(), pooled.numpy(), places.numpy(), 0, 1)
    expected, index = max_pool2d(images.permute(0, 3, 1, 2), 2, return_indices=True)
    torch.testing.assert_close(pooled.flatten(), expected.flatten(), equal_nan=True)
    assert places.item() == index.item()


def test_gradients_are_spread_to_where_the_maxima_were() -> None:
    places = torch.tensor([[3, 0]], dtype=torch.uint8).view(1, 1, 2, 1)
    states = torch.full((1, 3, 5, 1), 7.0)
    gates.spread(torch.tensor([1.5, 2.5]).view(1, 1, 2, 1).numpy(), places.numpy(), states.numpy(), 0, 1)
    assert states[0, ..., 0].tolist() == [
        [0.0, 0.0, 2.5, 0.0, 7.0],
        [0.0, 1.5, 0.0, 0.0, 7.0],
        [7.0, 7.0, 7.0, 7.0, 7.0],
    ]
