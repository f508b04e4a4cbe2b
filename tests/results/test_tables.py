import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rac_ray.errors import BadInput
from rac_ray.results import load
from rac_ray.results.tables import EVALUATION_COLUMNS, TRIAL_COLUMNS, accuracy_table, printable
from rac_ray.storage import Storage
from rac_ray.trial import Trial


def test_every_planned_trial_has_a_row(sweep_folder: Path, trials: list[Trial]) -> None:
    table = load(sweep_folder).trials
    assert list(table.columns) == TRIAL_COLUMNS
    assert set(table["trial_id"]) == {trial.trial_id for trial in trials}
    rows = table.set_index("trial_id")
    assert rows["state"].value_counts().to_dict() == {"done": 6, "failed": 1, "pending": 1}
    assert rows.loc[trials[6].trial_id, "reason"] == "not finite: NotFinite: nan"
    assert rows.loc[trials[7].trial_id, "reason"] == "has not run"
    done = rows.loc[trials[0].trial_id]
    assert (done["best_val_top1"], done["source_test_top1"], done["seconds_total"]) == (0.8, 0.75, 10.6)
    assert (done["digits"], done["data"], done["learning_rate"], done["seed"]) == ("optdigits", "feed", 0.001, 0)


def test_evaluations_carry_the_ratios(sweep_folder: Path, trials: list[Trial]) -> None:
    table = load(sweep_folder).evaluations
    assert list(table.columns) == EVALUATION_COLUMNS
    assert len(table) == 6 * 4
    row = table.query("trial_id == @trials[0].trial_id and target == 'mnist'").iloc[0]
    assert row["robustness_ratio"] == pytest.approx(0.4 / 0.8)
    assert row["chance_corrected_ratio"] == pytest.approx(0.2 / 0.6)
    assert row["ratio_to_source_test"] == pytest.approx(0.4 / 0.75)


def test_epochs_and_predictions_name_their_trial(sweep_folder: Path) -> None:
    tables = load(sweep_folder)
    assert tables.epochs.groupby("trial_id").size().tolist() == [5] * 6
    assert len(tables.predictions) == 6
    assert set(tables.predictions["trial_id"]) == set(tables.epochs["trial_id"])


def test_written_tables_load_as_they_were(sweep_folder: Path, tmp_path: Path, trials: list[Trial]) -> None:
    tables = load(sweep_folder)
    tables.write(Storage.at(tmp_path / "tables"))
    again = load(tmp_path / "tables")
    for name in ("trials", "epochs", "evaluations", "predictions"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(tables, name), check_dtype=False)
    assert load(tmp_path / "tables", {trials[0].trial_id}).trials["trial_id"].tolist() == [trials[0].trial_id]


def test_narrowed_to_some_trials(sweep_folder: Path, trials: list[Trial]) -> None:
    tables = load(sweep_folder, {trials[0].trial_id, trials[7].trial_id})
    assert len(tables.trials) == 2
    assert tables.stamp == (
        "2 trials planned = 1 done + 0 failed + 0 running + 1 pending; digits=optdigits; "
        "checkpoint: highest source-validation top-1, first epoch on ties"
    )


def test_a_sweep_without_a_finished_trial_still_loads(sweep_folder: Path, trials: list[Trial]) -> None:
    tables = load(sweep_folder, {trials[7].trial_id})
    assert (len(tables.trials), len(tables.evaluations), len(tables.epochs)) == (1, 0, 0)
    assert "checkpoint: none yet" in tables.stamp


def test_the_accuracy_table_averages_over_sizes_and_seeds(sweep_folder: Path) -> None:
    table = accuracy_table(load(sweep_folder).evaluations, "2dot").set_index(["model", "target", "split"])
    row = table.loc[("cnn3d", "5dot", "test")]
    assert row["mean"] == pytest.approx(0.625)
    assert row["trials"] == 4
    assert 0.55 < row["low"] < row["mean"] < row["high"] < 0.7
    assert table.loc[("convlstm", "5dot", "test"), "trials"] == 2
    assert accuracy_table(load(sweep_folder).evaluations, "mnist_bg").empty


def test_the_printed_table_has_models_down_and_domains_across(sweep_folder: Path) -> None:
    lines = printable(accuracy_table(load(sweep_folder).evaluations, "2dot")).splitlines()
    assert lines[0].split() == ["trials", "2dot", "val", "2dot", "test", "5dot", "test", "mnist", "test"]
    assert lines[2].startswith("cnn3d")
    assert "62.5 [" in lines[2]


def test_no_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no results in '.*': neither trials/ nor trials.parquet is there"):
        load(tmp_path)


def test_reading_needs_neither_ray_nor_torch(sweep_folder: Path) -> None:
    script = (
        "import sys; from rac_ray.results import load; from rac_ray.results.figures import draw_all\n"
        f"assert len(load({str(sweep_folder)!r}).trials) == 8\n"
        "assert not {'ray', 'torch', 'pytorch_lightning'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
