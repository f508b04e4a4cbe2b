"""How intervals are counted, and that every table's are."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.coverage import coverage, dive_rows, dives, one_source, rows, shown
from benchmarks.worlds import corrected
from rac_ray.errors import BadInput

COLUMNS = ["table", "figure", "row", "estimate", "low", "high"]


def drawn(draw: int) -> pd.DataFrame:
    """The mean of ten values, its truth 0, with an interval of 95 % and one of no width."""
    mean = np.random.default_rng(draw).normal(size=10).mean()
    half = 1.96 / np.sqrt(10)
    return pd.DataFrame(
        [("t", "f", "known", mean, mean - half, mean + half), ("t", "g", "none", mean, mean, mean)], columns=COLUMNS
    )


def test_an_interval_of_95_percent_holds_the_truth_in_95() -> None:
    known, none = coverage(drawn, 1000).to_dict("records")
    assert known["held"] == pytest.approx(0.95, abs=0.02)
    assert (known["empty"], none["empty"], none["held"]) == (0.0, 1.0, 0.0)
    assert known["half"] == pytest.approx(1.96 / np.sqrt(10))
    assert "| t | f | 1 | " in shown(coverage(drawn, 10))


def test_all_tables_of_a_sweep_are_counted() -> None:
    found = rows(one_source(corrected(), 0))
    assert set(found["table"]) == {
        "accuracy", "accuracy by size", "ratios by size", "comparisons", "flips", "claims", "robustness",
    }  # fmt: skip
    known = found.dropna()
    assert np.all(known["low"].to_numpy(float) <= known["high"].to_numpy(float))
    assert set(dive_rows(dives(0))["table"]) == {"Diving48's ratios", "Diving48's domains"}


def test_one_sweep_has_no_truth() -> None:
    from benchmarks.coverage import main

    with pytest.raises(BadInput, match="at least 2"):
        main(["--sweeps", "1"])
