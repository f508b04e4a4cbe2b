"""Random orders that PyTorch would give, without PyTorch."""

import numpy as np
from numpy.typing import NDArray


def torch_permutation(size: int, seed: int) -> NDArray[np.int64]:
    """``torch.randperm(size)`` of a CPU generator seeded with ``seed``: (size,), for sizes below 2^32 / 20."""
    draws = np.random.RandomState(seed).randint(0, 2**32, size=max(0, size - 1), dtype=np.uint32)
    order = np.arange(size)
    for place, draw in enumerate(draws.tolist()):
        other = place + draw % (size - place)
        order[place], order[other] = order[other], order[place]
    return order
