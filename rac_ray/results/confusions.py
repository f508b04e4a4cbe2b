"""What each finished trial took for what: all pairs of a few classes, the most frequent mistakes among many."""

from collections.abc import Hashable
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_CLASSES = 16
"""Up to so many a page shows each pair of classes. Of 48 there are 2,304, for each trial and evaluation set."""
PAIRS = 12
"""Mistakes shown of more classes."""
Whole = NDArray[np.int_]


def confusions(predictions: pd.DataFrame, classes: int) -> dict[Hashable, dict[str, Any]]:
    """For each (trial, target, split) either its ``confusion`` or its ``mistaken``, and nothing without predictions.

    ``confusion`` counts clips by true class (rows) and predicted class. ``mistaken`` has the most frequent ``pairs``,
    [true class, predicted class, clips, clips of the true class], and how many ``more`` there are.
    """
    if "predicted" not in predictions or predictions.empty:
        return {}
    keys = predictions.groupby(["trial_id", "target", "split"], sort=False)
    group = keys.ngroup().to_numpy()
    label, predicted = (predictions[name].to_numpy().astype(int) for name in ("label", "predicted"))
    counted = _mistaken if classes > MOST_CLASSES else _matrices
    found = counted(group, label, predicted, keys.ngroups, classes)
    return dict(zip(cast(list[Hashable], list(keys.size().index)), found, strict=True))


def _matrices(group: Whole, label: Whole, predicted: Whole, groups: int, classes: int) -> list[dict[str, Any]]:
    cells = np.bincount((group * classes + label) * classes + predicted, minlength=groups * classes**2)
    return [{"confusion": matrix} for matrix in cells.reshape(-1, classes, classes).tolist()]


def _mistaken(group: Whole, label: Whole, predicted: Whole, groups: int, classes: int) -> list[dict[str, Any]]:
    of_class = np.bincount(group * classes + label, minlength=groups * classes)
    wrong = label != predicted
    codes, counts = np.unique((group * classes + label)[wrong] * classes + predicted[wrong], return_counts=True)
    order = np.lexsort((codes, -counts, codes // classes**2))
    codes, counts = codes[order], counts[order]
    ends = np.searchsorted(codes // classes**2, np.arange(groups + 1))
    found = []
    for first, last in pairwise(ends.tolist()):
        shown = slice(first, min(last, first + PAIRS))
        pairs = [
            [int(code // classes % classes), int(code % classes), int(count), int(of_class[code // classes])]
            for code, count in zip(codes[shown], counts[shown], strict=True)
        ]
        found.append({"mistaken": {"pairs": pairs, "more": last - first - len(pairs)}})
    return found
