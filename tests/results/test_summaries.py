from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.summaries import accuracy_table, ratio_table, robustness_table
from rac_ray.results.tables import Tables
from tests.results.synthetic import by_name, sweep

TOP1 = {"2dot": 0.8, "5dot": 0.7, "mnist": 0.5, "mnist_bg": 0.25, "mnist_bg_half": 0.25}


def truth(model: str, size: int, source: str, target: str) -> float:
    """The 3D CNN is 0.1 better at home, ConvLSTM's ratio on mnist falls with size, TimeSf-1 is worse than guessing."""
    if model == "timesformer1":
        return 0.15
    return TOP1[target] + (0.1 if model == "cnn3d" and target == "2dot" else 0)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return sweep(truth, sizes=(2, 32), clips=400)


@pytest.fixture(scope="module")
def answers(tables: Tables) -> Answers:
    return Answers.of(tables)


def one(table: pd.DataFrame, query: str) -> dict[Any, Any]:
    (row,) = table.query(query).to_dict("records")
    return row


def test_figure_3s_numbers_are_means_over_sizes_and_seeds(tables: Tables, answers: Answers) -> None:
    table = accuracy_table(answers)
    assert list(dict.fromkeys(table["model"])) == ["convlstm", "cnn3d", "timesformer1", "timesformer8"]
    row = one(table, "model == 'cnn3d' and target == '5dot'")
    rows = tables.evaluations.query("model == 'cnn3d' and target == '5dot'")
    assert row["mean"] == pytest.approx(rows["top1"].mean())
    assert row["low"] < row["mean"] < row["high"]
    assert row["iqm_low"] < row["iqm"] < row["iqm_high"]
    assert (row["trials"], row["seeds"], row["sizes"], row["never_learned"]) == (10, 5, 2, 0)
    assert (row["role"], row["split"]) == ("target", "test")
    assert one(table, "model == 'timesformer1' and target == 'mnist'")["never_learned"] == 10


def test_by_size_there_is_a_row_for_each(tables: Tables, answers: Answers) -> None:
    table = accuracy_table(answers, by_size=True)
    row = one(table, "model == 'convlstm' and hidden_units == 32 and target == 'mnist'")
    rows = tables.evaluations.query("model == 'convlstm' and hidden_units == 32 and target == 'mnist'")
    assert (row["mean"], row["trials"], row["sizes"]) == (pytest.approx(rows["top1"].mean()), 5, 1)


def test_figure_4s_numbers_are_ratios_by_size(tables: Tables, answers: Answers) -> None:
    table = ratio_table(answers)
    assert len(table) == 4 * 2 * 4
    row = one(table, "model == 'cnn3d' and hidden_units == 2 and target == 'mnist'")
    rows = tables.evaluations.query("model == 'cnn3d' and hidden_units == 2 and target == 'mnist'")["robustness_ratio"]
    assert (row["mean"], row["min"], row["max"]) == tuple(
        pytest.approx(x) for x in (rows.mean(), rows.min(), rows.max())
    )
    assert row["low"] < 0.5 / 0.9 < row["high"]


def test_robustness_by_every_statistic(tables: Tables, answers: Answers) -> None:
    table = robustness_table(tables, answers)
    mnist = table[(table["target"] == "mnist") & (table["model"] == "convlstm")].set_index("statistic")
    for name, expected in (("ratio", 0.5 / 0.8), ("ratio_to_source_test", 0.5 / 0.8), ("area", 0.5 / 0.8)):
        assert mnist.loc[name, "low"] < expected < mnist.loc[name, "high"], name
    assert mnist.loc["chance_corrected_ratio", "mean"] == pytest.approx(0.3 / 0.6, abs=0.06)
    never = one(table, "statistic == 'chance_corrected_ratio' and model == 'timesformer1' and target == 'mnist'")
    assert np.isnan(never["mean"])
    assert never["never_learned"] == 10
    convolving = one(table, "model == 'cnn3d' and target == 'mnist' and statistic == 'effective'")
    assert convolving["high"] < 0  # less on mnist than the others at such a source accuracy


def test_a_source_without_a_test_split_has_no_ratio_to_it(tables: Tables) -> None:
    rows = tables.evaluations.query("role != 'source_test'")
    part = replace(tables, evaluations=rows)
    table = robustness_table(part, Answers.of(part)).set_index(["model", "target", "statistic"])
    assert np.isnan(table.loc[("cnn3d", "mnist", "ratio_to_source_test"), "mean"])
    assert np.isnan(table.loc[("cnn3d", "mnist", "effective"), "mean"])
    assert table.loc[("cnn3d", "mnist", "ratio"), "mean"] > 0.4


def test_an_empty_sweep_has_empty_tables() -> None:
    tables = sweep(truth, models=())
    answers = Answers.of(tables)
    for table in (accuracy_table(answers), ratio_table(answers), robustness_table(tables, answers)):
        assert table.empty
        assert "mean" in table


def test_unequal_seeds_and_sizes_still_have_a_row(tables: Tables) -> None:
    """A sweep cut off in the middle: one size has three seeds, the other two."""
    first = tables.evaluations.query("model == 'cnn3d'")
    chosen = first[
        (first["hidden_units"] == 2) & (first["seed"] < 55) | (first["seed"] > 55) & (first["hidden_units"] == 32)
    ]
    ids = set(chosen["trial_id"])
    part = Tables(*(frame[frame["trial_id"].isin(ids)] for frame in vars(tables).values()))
    row = one(accuracy_table(Answers.of(part)), "target == 'mnist'")
    assert (row["trials"], row["seeds"], row["sizes"]) == (5, 5, 2)
    assert np.isfinite([row[name] for name in ("mean", "low", "high", "iqm")]).all()


def test_sizes_of_the_same_hidden_units_are_not_merged() -> None:
    """A model of 4 and one of 6 layers, 128 hidden units each: 0.4 and 0.8."""
    drawn = sweep(lambda model, size, *_: size / 10, models=("cnn3d",), sizes=(4, 8), between_seeds=0.0)
    tables = by_name(drawn, {("cnn3d", 4): "cnn3d-4x128", ("cnn3d", 8): "cnn3d-6x128"})
    answers = Answers.of(tables)
    rows = accuracy_table(answers, by_size=True).query("target == 'mnist'").set_index("size")
    assert rows["mean"].to_dict() == {
        "cnn3d-4x128": pytest.approx(0.4, abs=0.03),
        "cnn3d-6x128": pytest.approx(0.8, abs=0.03),
    }
    assert rows["hidden_units"].tolist() == [128, 128]
    assert ratio_table(answers).groupby("size")["trials"].unique().map(list).to_dict() == {
        "cnn3d-4x128": [5],
        "cnn3d-6x128": [5],
    }
    assert one(accuracy_table(answers), "target == 'mnist'")["sizes"] == 2
    assert answers.grid(answers.places(model="cnn3d")).shape == (5, 2)
