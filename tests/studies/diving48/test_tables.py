import pytest

from rac_ray.results.analysis import Analysis
from rac_ray.results.answers import Answers
from rac_ray.studies.diving48.tables import ALL, diving_table, domain_table, shown, shown_domains
from tests.results.synthetic import sweep, unasked
from tests.studies.diving48.sweep import DIVES, diving_sweep

TRUTH = {
    "cnn3d": {"original": 0.4, "s1": 0.2, "s2": 0.24, "t": 0.1},
    "convlstm": {"original": 0.4, "s1": 0.04, "s2": 0.2, "t": 0.06},
}


def test_ratios_by_experiment_and_over_all_with_the_papers_beside_them() -> None:
    table = diving_table(Answers.of(diving_sweep(lambda model, target: TRUTH[model][target])))
    assert len(table) == 3 * 2 * 4
    rows = table.set_index(["experiment", "model", "ratio"])
    for experiment in ("a", "e", ALL):
        assert rows.loc[(experiment, "cnn3d", "S1/V"), "mean"] == pytest.approx(0.5, abs=0.08)
        assert rows.loc[(experiment, "cnn3d", "T/S1"), "mean"] == pytest.approx(0.5, abs=0.15)
        row = rows.loc[(experiment, "cnn3d", "S2/V")]
        assert row["low"] < row["mean"] < row["high"]
    assert [rows.loc[(e, "cnn3d", "S1/V"), "paper"] for e in ("a", ALL)] == [0.253, 0.255]
    assert str(rows.loc[("e", "cnn3d", "S1/V"), "paper"]) == "nan"
    assert [rows.loc[(e, "cnn3d", "S1/V"), "trials"] for e in ("a", ALL)] == [5, 10]


def test_the_lowest_texture_ratio_has_an_asterisk_where_shape_is_lower_still() -> None:
    """ConvLSTM has the lowest T/V, but T/S1 above 1; were its S1 higher, it had none."""
    table = diving_table(Answers.of(diving_sweep(lambda model, target: TRUTH[model][target])))
    marked = table[table["asterisk"].astype(bool)]
    assert set(marked["model"]) == {"convlstm"}
    assert set(marked["ratio"]) == {"T/V"}
    assert set(marked["experiment"]) == {"a", "e", ALL}
    better = {**TRUTH["convlstm"], "s1": 0.3}
    none = diving_table(Answers.of(diving_sweep(lambda m, t: (better if m == "convlstm" else TRUTH[m])[t])))
    assert set(none["asterisk"]) == {False}


def test_it_is_shown_as_the_paper_has_it() -> None:
    analysis = Analysis(diving_sweep(lambda model, target: TRUTH[model][target]), DIVES)
    sheet = next(sheet for sheet in analysis.sheets if sheet.name == "diving48")
    frame = sheet.shown
    assert list(frame.columns)[3:] == [
        "S1/V", "S1/V paper", "S2/V", "S2/V paper", "T/V", "T/V paper", "T/S1", "T/S1 paper",
    ]  # fmt: skip
    assert frame[["experiment", "model"]].to_numpy().tolist()[:2] == [["a", "cnn3d"], ["a", "convlstm"]]
    row = frame.set_index(["experiment", "model"]).loc[("a", "convlstm")]
    assert row["T/V"].endswith("]*")
    assert (row["T/V paper"], row["T/S1 paper"]) == ("0.238", "0.965")


def test_top_1_and_top_5_of_every_domain_by_experiment() -> None:
    tables = diving_sweep(lambda model, target: TRUTH[model][target])
    assert domain_table(Answers.of(tables)).empty
    tables.evaluations["top5"] = 0.5 + 0.5 * tables.evaluations["top1"]
    table = domain_table(Answers.of(tables))
    assert len(table) == 2 * 2 * 5
    row = table.set_index(["experiment", "model", "target", "split"]).loc[("a", "convlstm", "s2", "test")]
    mine = tables.evaluations.query("experiment == 'a' and model == 'convlstm' and target == 's2'")
    assert row["top1"] == pytest.approx(mine["top1"].mean())
    assert row["top5"] == pytest.approx(0.5 + 0.5 * row["top1"])
    assert row["low"] < row["top1"] < row["high"]
    assert (row["seeds"], row["trials"], row["role"]) == (5, 5, "target")
    frame = shown_domains(table)
    assert frame.columns.tolist() == [
        "experiment", "model", "seeds", "original val", "original test", "s1", "s2", "t",
    ]  # fmt: skip
    text = f"{100 * row['top1']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}], {100 * row['top5']:.1f}"
    assert frame.set_index(["experiment", "model"]).loc[("a", "convlstm"), "s2"] == text


def test_temporal_shape_has_no_such_table() -> None:
    tables = sweep(lambda *_: 0.7, models=("cnn3d",), sizes=(2,))
    assert diving_table(Answers.of(tables)).empty
    assert "diving48" not in [sheet.name for sheet in Analysis(tables, DIVES).sheets]
    assert shown(diving_table(Answers.of(diving_sweep(lambda *_: 0.3)))).shape == (6, 11)


def test_means_and_counts_are_of_the_trials_that_were_asked() -> None:
    tables = diving_sweep(lambda model, target: TRUTH[model][target])
    tables.evaluations["top5"] = 0.9
    part = unasked(tables, "t/test", "model == 'cnn3d' and experiment == 'a' and seed != 42")
    answers = Answers.of(part)
    ratios = diving_table(answers)
    rows = ratios.set_index(["experiment", "model", "ratio"])
    assert [rows.loc[("a", "cnn3d", ratio), "trials"] for ratio in ("S1/V", "T/V", "T/S1")] == [5, 1, 1]
    assert [rows.loc[(ALL, "cnn3d", ratio), "seeds"] for ratio in ("S1/V", "T/V")] == [5, 5]
    assert rows.loc[(ALL, "cnn3d", "T/V"), "trials"] == 6
    frame = shown(ratios).set_index(["experiment", "model"])
    assert len(frame) == 3 * 2
    assert frame["seeds"].tolist() == ["1 to 5", 5, 5, 5, 5, 5]
    assert "[" in frame.loc[("a", "cnn3d"), "S1/V"]
    assert "[" not in frame.loc[("a", "cnn3d"), "T/V"]
    domains = domain_table(answers)
    of_t = domains.query("experiment == 'a' and model == 'cnn3d' and target == 't'").iloc[0]
    assert (of_t["seeds"], of_t["trials"]) == (1, 1)
    assert shown_domains(domains)["seeds"].tolist() == ["1 to 5", 5, 5, 5]
