import pytest
import torch

from rac_ray.data.order import torch_permutation


@pytest.mark.parametrize(("size", "seed"), [(0, 1), (1, 1), (5, 0), (5000, 42), (15_027, 42)])
def test_it_is_torchs(size: int, seed: int) -> None:
    expected = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    assert torch_permutation(size, seed).tolist() == expected.tolist()
