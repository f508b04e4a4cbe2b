"""Two sweeps against each other: what both have, here less there, and verdicts."""

import math
from collections.abc import Hashable
from typing import Any

import pandas as pd
import pytest

from rac_ray.results.against import AGAINST_COLUMNS, against_table, as_text, in_words, rulings
from rac_ray.results.analysis import Analysis
from rac_ray.results.answers import Answers
from rac_ray.results.verdicts import Verdict
from tests.results.studies import SHAPES
from tests.results.synthetic import sweep, unasked

HERE, THERE = 0.7, 0.6


def answers(top1: float, **settings: Any) -> Answers:
    return Answers.of(sweep(lambda *_: top1, **{"models": ("cnn3d",), "sizes": (2, 8), **settings}))


def row_of(table: pd.DataFrame, target: str, measure: str = "top1", split: str = "test") -> dict[Hashable, Any]:
    (row,) = table.query(f"target == '{target}' and measure == '{measure}' and split == '{split}'").to_dict("records")
    return row


def test_the_difference_is_here_less_there_with_its_interval() -> None:
    table = against_table(answers(HERE), answers(THERE, draw=1, seeds=(1, 2, 3)))
    assert list(table) == AGAINST_COLUMNS
    row = row_of(table, "5dot")
    assert row["difference"] == pytest.approx(row["here"] - row["there"])
    assert (row["here"], row["there"]) == (pytest.approx(HERE, abs=0.04), pytest.approx(THERE, abs=0.04))
    assert row["low"] < HERE - THERE < row["high"]
    assert 0 < row["low"] < row["difference"] < row["high"] < 0.2
    assert (row["sizes"], row["seeds_here"], row["seeds_there"]) == (2, 5, 3)
    assert row_of(table, "5dot", "robustness_ratio")["difference"] == pytest.approx(0, abs=0.08)


def test_ratios_are_of_targets() -> None:
    table = against_table(answers(HERE), answers(THERE))
    assert set(table.loc[table["measure"] == "robustness_ratio", "role"]) == {"target"}
    assert set(table.loc[table["measure"] == "top1", "role"]) == {"source_val", "source_test", "target"}


def test_only_what_both_have_is_compared() -> None:
    """Sizes 2 and 8 here, 8 and 32 there, where small models know less; another model and source are left out."""
    small = Answers.of(
        sweep(
            lambda _, size, *__: 0.9 if size == 8 else 0.3,
            models=("cnn3d", "convlstm"), sizes=(2, 8), sources=("2dot", "mnist_bg"), between_seeds=0, of_clips=0,
        )
    )  # fmt: skip
    table = against_table(small, answers(0.5, sizes=(8, 32), between_seeds=0.0, of_clips=0.0))
    assert set(table["model"]) == {"cnn3d"}
    assert set(table["source"]) == {"2dot"}
    assert set(table["sizes"]) == {1}
    assert row_of(table, "mnist")["difference"] == pytest.approx(0.4, abs=0.05)
    assert against_table(answers(0.5, sizes=(2,)), answers(0.5, sizes=(8,))).empty
    assert against_table(answers(0.5), answers(0.5, sources=("mnist_bg",))).empty


def test_a_model_at_chance_in_one_of_them_has_no_ratio() -> None:
    table = against_table(answers(HERE), answers(0.2))
    assert math.isnan(row_of(table, "mnist", "robustness_ratio")["difference"])
    assert row_of(table, "mnist")["difference"] == pytest.approx(0.5, abs=0.05)
    texts = dict(zip(zip(table["target"], table["measure"], strict=True), as_text(table), strict=True))
    assert texts["mnist", "robustness_ratio"] == "-"
    assert texts["mnist", "top1"].startswith("+")


def test_of_few_seeds_there_is_a_mark_and_no_interval() -> None:
    table = against_table(answers(HERE), answers(THERE, seeds=(1, 2)))
    assert all(text.endswith("*") for text in as_text(table))
    row = {"measure": "top1", "difference": 0.0123, "low": -0.0456, "high": 0.0789, "seeds_here": 3, "seeds_there": 3}
    assert as_text(pd.DataFrame([row])) == ["+1.2 [-4.6, +7.9]"]


def test_verdicts_that_differ_are_named() -> None:
    """There the 3D CNN is as robust as ConvLSTM, here it is not."""

    def verdicts(robust: float) -> list[Verdict]:
        truth = {"cnn3d": robust}
        drawn = sweep(lambda model, _, __, target: 0.9 if target == "2dot" else truth.get(model, 0.8), clips=200)
        return Analysis(drawn, SHAPES).verdicts

    here, there = verdicts(0.3), verdicts(0.8)
    table = rulings(here, there)
    assert table["claim_id"].tolist() == [claim.claim_id for claim in SHAPES.claims]
    assert table["here"].tolist() == [verdict.outcome for verdict in here]
    assert table.loc[table["here"] == "not run", "differs"].isna().all()
    differ = table.loc[table["differs"].fillna(False)]
    assert 0 < len(differ) < len(table)
    claim, mine, other = differ[["claim_id", "here", "there"]].to_numpy().tolist()[0]
    (said,) = in_words({"": table}, "reference")
    ran = sum(outcome != "not run" for outcome in table["here"])
    assert said.startswith(
        f"verdicts beside reference: {len(differ)} of {ran} verdicts differ: {claim} is {mine} here and {other} there"
    )
    same = rulings(here, here)
    assert in_words({"batch 8": same}, "x") == ["batch 8: verdicts beside x: all are the same"]
    assert in_words({"": same.assign(differs=pd.NA)}, "x") == ["verdicts beside x: no claim has run in both"]


def test_only_trials_that_were_asked_count() -> None:
    """Here size 8 was asked about MNIST under two seeds only and size 2 not at all, and nobody about 5Dot."""
    drawn = sweep(lambda *_: HERE, models=("cnn3d",), sizes=(2, 8))
    part = unasked(drawn, "mnist/test", "hidden_units == 2 or seed not in (42, 61)")
    here, there = Answers.of(unasked(part, "5dot/test", "model == 'cnn3d'")), answers(THERE)
    table = against_table(here, there)
    row, texts = row_of(table, "mnist"), as_text(table)
    assert (row["sizes"], row["seeds_here"], row["seeds_there"]) == (1, 2, 5)
    alone = there.trials.query("hidden_units == 8").index
    assert row["there"] == pytest.approx(there.top1["mnist", "test"][0, alone].mean())
    assert [text.endswith("*") for text in texts] == [target == "mnist" for target in table["target"]]
    assert "5dot" not in set(table["target"])
    whole = row_of(table, "mnist_bg")
    assert (whole["sizes"], whole["seeds_here"], whole["seeds_there"]) == (2, 5, 5)
