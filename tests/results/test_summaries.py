from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.formats import cells
from rac_ray.results.summaries import accuracy_table, ratio_table, robustness_table
from rac_ray.results.tables import Tables
from tests.results.synthetic import by_name, sweep, unasked

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


def test_a_statistic_says_on_how_many_seeds_it_stands(tables: Tables) -> None:
    """One seed alone has run the larger size: there is an area of one seed, and no interval of it."""
    gone = tables.trials.query("hidden_units == 32 and seed != 42")["trial_id"]
    part = replace(
        tables,
        trials=tables.trials[~tables.trials["trial_id"].isin(gone)].reset_index(drop=True),
        evaluations=tables.evaluations[~tables.evaluations["trial_id"].isin(gone)].reset_index(drop=True),
        predictions=tables.predictions[~tables.predictions["trial_id"].isin(gone)].reset_index(drop=True),
    )
    table = robustness_table(part, Answers.of(part)).query("model == 'cnn3d' and target == 'mnist'")
    rows = table.set_index("statistic")
    assert rows["trials"].tolist() == [6] * len(rows)
    assert rows["seeds"].to_dict() == {**dict.fromkeys(rows.index, 5), "area": 1}
    assert cells(table.query("statistic == 'area'"))[0].endswith("*")


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


def test_means_stand_on_the_trials_that_were_asked(tables: Tables) -> None:
    """Of the 3D CNN only the trials of seed 42, of two sizes, were asked about MNIST, and none about 5Dot."""
    part = unasked(tables, "mnist/test", "model == 'cnn3d' and seed != 42")
    answers = Answers.of(unasked(part, "5dot/test", "model == 'cnn3d'"))
    asked = part.evaluations.query("model == 'cnn3d' and target == 'mnist'")
    for table in (accuracy_table(answers), robustness_table(tables, answers).query("statistic == 'ratio'")):
        row = one(table, "model == 'cnn3d' and target == 'mnist'")
        assert (row["trials"], row["seeds"], row["sizes"], row["never_learned"]) == (2, 1, 2, 0)
        whole = one(table, "model == 'cnn3d' and target == 'mnist_bg'")
        assert (whole["trials"], whole["seeds"]) == (10, 5)
        silent = one(table, "model == 'cnn3d' and target == '5dot'")
        assert (silent["trials"], silent["seeds"], silent["sizes"], silent["never_learned"]) == (0, 0, 0, 0)
        assert np.isnan([silent["mean"], silent["low"], silent["high"]]).all()
    row = one(accuracy_table(answers), "model == 'cnn3d' and target == 'mnist'")
    assert row["mean"] == row["iqm"] == pytest.approx(asked["top1"].mean())
    row = one(ratio_table(answers), "model == 'cnn3d' and hidden_units == 2 and target == 'mnist'")
    ratio = asked.query("hidden_units == 2")["robustness_ratio"].item()
    assert (row["trials"], row["seeds"], row["mean"], row["min"], row["max"]) == (1, 1, *[pytest.approx(ratio)] * 3)
    silent = one(ratio_table(answers), "model == 'cnn3d' and hidden_units == 2 and target == '5dot'")
    assert silent["trials"] == 0
    assert np.isnan([silent[name] for name in ("mean", "min", "max", "ratio_to_source_test")]).all()


def test_every_statistic_of_trials_that_were_asked_is_that_of_them_alone(tables: Tables) -> None:
    """As if the sweep had the 3D CNN's trials of seeds 42 and 61 only."""
    partly = unasked(tables, "mnist/test", "model == 'cnn3d' and seed not in (42, 61)")
    gone = set(tables.trials.query("model == 'cnn3d' and seed not in (42, 61)")["trial_id"])
    fewer = Tables(*(frame[~frame["trial_id"].isin(gone)].reset_index(drop=True) for frame in vars(tables).values()))
    found, expected = (
        table(each).query("model == 'cnn3d' and target == 'mnist'").reset_index(drop=True)
        for table in (lambda each: robustness_table(each, Answers.of(each)),)
        for each in (partly, fewer)
    )
    assert found["trials"].tolist() == [4] * 6
    pd.testing.assert_frame_equal(found, expected)


def test_a_ratio_to_the_sources_test_clips_stands_on_the_trials_that_were_asked_both(tables: Tables) -> None:
    part = unasked(tables, "2dot/test", "model == 'cnn3d' and seed == 42")
    answers = Answers.of(part)
    table = robustness_table(part, answers).query("model == 'cnn3d' and target == 'mnist'").set_index("statistic")
    assert table["trials"].to_dict() == {
        "ratio": 10, "ratio_to_source_test": 8, "chance_corrected_ratio": 10, "effective": 8, "ratio_iqm": 10,
        "area": 10,
    }  # fmt: skip
    assert np.isfinite(table[["mean", "low", "high"]].to_numpy()).all()
    row = one(ratio_table(answers), "model == 'cnn3d' and hidden_units == 2 and target == 'mnist'")
    rows = tables.evaluations.query("model == 'cnn3d' and hidden_units == 2 and target == 'mnist' and seed != 42")
    assert row["ratio_to_source_test"] == pytest.approx(rows["ratio_to_source_test"].mean())
