"""Whether answers count as right. Numpy."""

import numpy as np
from numpy.typing import NDArray

TOP_K = 5
"""Answers among which the true class counts as found: top-5."""


def among_the_best(logits: NDArray[np.floating], labels: NDArray[np.integer], count: int = TOP_K) -> NDArray[np.bool_]:
    """(N,) whether the true class is among the ``count`` likeliest, of logits (N, num_classes); a tie counts against
    it."""
    true = logits[np.arange(len(labels)), labels]
    return (logits >= true[:, None]).sum(axis=1) <= count
