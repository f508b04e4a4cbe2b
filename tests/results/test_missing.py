"""Trials that no board can count, in numbers and words."""

import pandas as pd
import pytest

from rac_ray.results.missing import counts_of, in_short, in_words


def counts(failed: int = 0, not_run: int = 0, unranked: int = 0) -> dict[str, int]:
    return {"failed": failed, "not_run": not_run, "unranked": unranked}


def test_every_state_is_of_some_kind() -> None:
    states = ["failed", "pending", "running", "unreached", "done", "failed"]
    assert counts_of(pd.DataFrame({"state": states})) == counts(2, 2, 2)
    assert counts_of(pd.DataFrame({"state": []})) == counts()


@pytest.mark.parametrize(
    ("missing", "total", "said", "short"),
    [
        (counts(failed=3), 3, "3 of 3 trials failed", "3 failed"),
        (counts(failed=1), 1, "1 of 1 trial failed", "1 failed"),
        (counts(not_run=1), 6, "1 of 6 trials has not run", "1 not run"),
        (counts(2, 2), 6, "2 of 6 trials failed, 2 have not run", "2 failed, 2 not run"),
        (counts(1, 0, 1), 6, "1 of 6 trials failed, 1 has no accuracy to rank by", "1 failed, 1 unranked"),
        (counts(), 6, "", "-"),
    ],
)
def test_they_are_told_in_words(missing: dict[str, int], total: int, said: str, short: str) -> None:
    assert in_words(missing, total) == said
    assert in_short(missing) == short
