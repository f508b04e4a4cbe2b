"""What was taken for what: each pair of a few classes, the most frequent mistakes among many."""

import pandas as pd
import pytest

from rac_ray.results.confusions import MOST_CLASSES, PAIRS, confusions

KEY = ("t1", "5dot", "test")
OTHER = ("t2", "5dot", "test")


def predictions(said: dict[tuple[str, str, str], list[tuple[int, int]]]) -> pd.DataFrame:
    """True and predicted class of each clip, by trial and set."""
    rows = [(*key, *pair) for key, pairs in said.items() for pair in pairs]
    return pd.DataFrame(rows, columns=["trial_id", "target", "split", "label", "predicted"])


def test_a_few_classes_have_all_pairs() -> None:
    found = confusions(predictions({KEY: [(0, 0), (0, 1), (0, 1), (2, 1)], OTHER: [(1, 1)]}), 3)
    assert found == {
        KEY: {"confusion": [[1, 2, 0], [0, 0, 0], [0, 1, 0]]},
        OTHER: {"confusion": [[0, 0, 0], [0, 1, 0], [0, 0, 0]]},
    }


def test_many_classes_have_the_most_frequent_mistakes() -> None:
    """The most clips first, then the order of classes; right answers are none, but count as clips of their class."""
    said = [(40, 40)] * 5 + [(40, 7)] * 3 + [(7, 40)] * 3 + [(1, 2)] + [(0, 47)] * 4
    found = confusions(predictions({KEY: said, OTHER: [(3, 3)]}), 48)
    pairs = [[0, 47, 4, 4], [7, 40, 3, 3], [40, 7, 3, 8], [1, 2, 1, 1]]
    assert found == {KEY: {"mistaken": {"pairs": pairs, "more": 0}}, OTHER: {"mistaken": {"pairs": [], "more": 0}}}


@pytest.mark.parametrize(("classes", "kind"), [(MOST_CLASSES, "confusion"), (MOST_CLASSES + 1, "mistaken")])
def test_the_page_grows_with_the_square_of_few_classes_only(classes: int, kind: str) -> None:
    every = [(label, said) for label in range(classes) for said in range(classes)]
    (found,) = confusions(predictions({KEY: every}), classes).values()
    assert list(found) == [kind]
    if kind == "mistaken":
        assert found[kind]["pairs"] == [[0, said, 1, classes] for said in range(1, PAIRS + 1)]
        assert found[kind]["more"] == classes * (classes - 1) - PAIRS


def test_thousands_of_classes_take_no_matrix() -> None:
    """Which would have 10^10 cells for each set."""
    found = confusions(predictions({KEY: [(99_999, 0)], OTHER: [(5, 99_999)]}), 100_000)
    assert [each["mistaken"]["pairs"] for each in found.values()] == [[[99_999, 0, 1, 1]], [[5, 99_999, 1, 1]]]


def test_without_predictions_there_is_nothing() -> None:
    assert confusions(predictions({}), 5) == {}
    assert confusions(pd.DataFrame({"trial_id": ["t1"]}), 5) == {}
