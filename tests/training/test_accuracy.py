"""Top-k on logits written out by hand."""

import numpy as np

from rac_ray.training.accuracy import among_the_best


def test_the_true_class_is_among_the_best_or_not() -> None:
    logits = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 0.0]])
    labels = np.array([0, 1, 2, 0])
    assert among_the_best(logits, labels, 1).tolist() == [True, False, False, False]
    assert among_the_best(logits, labels, 2).tolist() == [True, True, False, True]
    assert among_the_best(logits, labels).tolist() == [True] * 4
