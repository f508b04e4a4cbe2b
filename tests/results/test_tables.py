import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rac_ray.errors import BadInput
from rac_ray.identity import Trial
from rac_ray.results import load
from rac_ray.results.columns import EVALUATION_COLUMNS, FAILURE_COLUMNS, TRIAL_COLUMNS
from rac_ray.results.tables import Tables
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Damaged
from rac_ray.store.storage import Storage
from tests.results.conftest import CLIPS, task_of


def with_variants(columns: list[str]) -> list[str]:
    """The columns of a study that has two variants."""
    place = columns.index("recipe")
    return [*columns[:place], "spec", "feed", *columns[place:]]


def test_every_planned_trial_has_a_row(sweep_folder: Path, trials: list[Trial]) -> None:
    table = load(sweep_folder).trials
    assert list(table.columns) == with_variants(TRIAL_COLUMNS)
    assert set(table["trial_id"]) == {trial.trial_id for trial in trials}
    rows = table.set_index("trial_id")
    assert rows["state"].value_counts().to_dict() == {"done": 6, "failed": 1, "pending": 1}
    assert rows.loc[trials[6].trial_id, "reason"] == "not finite: NotFinite: nan"
    assert rows.loc[trials[7].trial_id, "reason"] == "has not run"
    done = rows.loc[trials[0].trial_id]
    assert (done["best_val_top1"], done["source_test_top1"], done["seconds_total"]) == (0.8, 0.75, 10.6)
    assert (done["about"], done["data"], done["learning_rate"], done["seed"]) == ("digits=optdigits", "feed", 0.001, 0)


def test_evaluations_carry_the_ratios(sweep_folder: Path, trials: list[Trial]) -> None:
    table = load(sweep_folder).evaluations
    assert list(table.columns) == with_variants(EVALUATION_COLUMNS)
    assert len(table) == 6 * 4
    row = table.query("trial_id == @trials[0].trial_id and target == 'mnist'").iloc[0]
    assert row["robustness_ratio"] == pytest.approx(0.4 / 0.8)
    assert row["chance_corrected_ratio"] == pytest.approx(0.2 / 0.6)
    assert row["ratio_to_source_test"] == pytest.approx(0.4 / 0.75)


def test_variants_are_columns_and_tell_recipes_apart(sweep_folder: Path, trials: list[Trial]) -> None:
    """Records of older versions, which do not tell, are of the study's own; of an unknown study they are left open."""
    folder = Ledger(Storage.at(sweep_folder)).folder(trials[0].trial_id)
    assert set(load(sweep_folder).trials["spec"]) == {"released"}
    record = folder.read_json("record.json")
    folder.write_json("record.json", {**record, "variants": {"spec": "paper", "looks": "odd"}})
    tables = load(sweep_folder)
    columns = ["trial_id", "looks", "recipe"]
    changed = tables.trials.query("spec == 'paper'")[columns].to_numpy().tolist()
    assert changed == [[trials[0].trial_id, "odd", "spec paper"]]
    assert set(tables.trials["recipe"]) == {"spec paper", "spec released"}
    assert tables.trials["looks"].dropna().tolist() == ["odd"]
    assert set(tables.evaluations.query("spec == 'paper'")["trial_id"]) == {trials[0].trial_id}


def test_trials_of_other_studies_name_their_classes_and_experiment(sweep_folder: Path, trials: list[Trial]) -> None:
    folder = Ledger(Storage.at(sweep_folder)).folder(trials[0].trial_id)
    assert set(load(sweep_folder).trials["classes"].dropna()) == {5}
    own = [{"trial_id": trials[0].trial_id, "experiment": "c"}]
    folder.write_json("record.json", {**folder.read_json("record.json"), "classes": 48, "trials": own})
    tables = load(sweep_folder)
    row = tables.trials.set_index("trial_id").loc[trials[0].trial_id]
    assert (row["classes"], row["experiment"]) == (48, "c")
    rows = tables.evaluations.query("trial_id == @trials[0].trial_id and target == 'mnist'")
    assert rows["experiment"].tolist() == ["c"]
    assert rows["chance_corrected_ratio"].item() == pytest.approx((0.4 - 1 / 48) / (0.8 - 1 / 48))


def test_failures_are_shown_without_credentials(sweep_folder: Path, trials: list[Trial]) -> None:
    """Also those that an earlier version wrote as they were."""
    ledger = Ledger(Storage.at(sweep_folder))
    ledger.fail(trials[7].trial_id, 1, {"class": "code", "reason": "E: token=hunter2", "traceback": "?sig=hunter2"})
    assert ledger.failures(trials[7].trial_id)[0]["reason"] == "E: token=***"
    path = Path(ledger.failure_path(trials[7].trial_id, 1))
    path.write_text(path.read_text().replace("***", "hunter2"))
    tables = load(sweep_folder)
    shown = tables.trials.to_csv() + tables.failures.to_csv()
    assert "E: token=***" in shown
    assert "hunter2" not in shown


def test_epochs_and_predictions_name_their_trial(sweep_folder: Path) -> None:
    tables = load(sweep_folder)
    assert tables.epochs.groupby("trial_id").size().tolist() == [5] * 6
    assert len(tables.predictions) == 6 * 4 * CLIPS
    assert set(tables.predictions["trial_id"]) == set(tables.epochs["trial_id"])


def test_predictions_with_narrow_classes_of_earlier_versions_stand_beside_wide_ones(
    sweep_folder: Path, tmp_path: Path, trials: list[Trial]
) -> None:
    folder = Path(shutil.copytree(sweep_folder, tmp_path / "sweep"))
    expected = load(folder).predictions
    old, new = (next(folder.rglob(f"{trial.trial_id}/predictions.parquet")) for trial in trials[:2])
    for path, width, more in ((old, pa.int8(), 0), (new, pa.int32(), 300)):
        table = pq.read_table(path)
        for name in ("label", "predicted"):
            place = table.column_names.index(name)
            table = table.set_column(place, name, pa.array(table[name].to_numpy().astype(int) + more, width))
        pq.write_table(table, path)
    record = new.with_name("record.json")
    record.write_text(record.read_text().replace('"classes": 5', '"classes": 400'))
    found = load(folder).predictions
    raised = 300 * (expected["trial_id"] == trials[1].trial_id).to_numpy(int)
    assert raised.max() == 300
    for name in ("label", "predicted"):
        assert found[name].tolist() == (expected[name].to_numpy(int) + raised).tolist()


def test_written_tables_load_as_they_were(sweep_folder: Path, tmp_path: Path) -> None:
    tables = load(sweep_folder)
    tables.write(Storage.at(tmp_path / "tables"))
    again = load(tmp_path / "tables")
    for name in ("trials", "epochs", "evaluations", "predictions", "failures"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(tables, name), check_dtype=False)


def test_narrowed_to_some_trials(sweep_folder: Path, trials: list[Trial]) -> None:
    tables = load(sweep_folder, [task_of(trials[0]), task_of(trials[7])])
    assert len(tables.trials) == 2
    assert tables.stamp == (
        "1 of 2 planned trials is done, 1 has not run; clips: digits optdigits; each trial is tested with the weights "
        "of its best epoch: highest validation accuracy where it was trained, the first of equals"
    )


def test_planned_trials_that_left_no_trace_stand_in_the_stamp(sweep_folder: Path) -> None:
    stamp = load(sweep_folder).stamped(20)
    assert stamp.startswith("6 of 20 planned trials are done, 1 has failed, 13 have not run; clips: digits optdigits; ")


@pytest.mark.parametrize("content", [b"", b"7", b"{}", b'{"trials": [7]}', b"\xff"])
def test_a_training_whose_plan_is_damaged_is_named_with_a_warning(
    content: bytes, sweep_folder: Path, trials: list[Trial], caplog: pytest.LogCaptureFixture
) -> None:
    """It has no record either; with a plan its trial is known all the same."""
    (sweep_folder / "trials" / trials[7].trial_id / "trial.json").write_bytes(content)
    tables = load(sweep_folder)
    assert set(tables.trials["trial_id"]) == {trial.trial_id for trial in trials[:7]}
    assert f"{trials[7].trial_id}/trial.json is not the plan of a training" in caplog.text
    assert tables.untold == [trials[7].trial_id]
    row = tables.failures.set_index("trial_id").loc[trials[7].trial_id]
    assert (row["attempt"], row["class"], row["given_up"]) == (0, "damaged", True)
    assert row["reason"] == "damaged: its plan (trial.json) cannot be read"
    assert len(load(sweep_folder, [task_of(trials[7])]).trials) == 1


def test_a_failed_training_without_a_plan_is_named(sweep_folder: Path, tmp_path: Path, trials: list[Trial]) -> None:
    """By what stands on the tables, also once they were written; with a plan it is a failed trial."""
    lost = trials[6].trial_id
    (sweep_folder / "trials" / lost / "trial.json").unlink()
    tables = load(sweep_folder)
    rows = tables.failures.query("trial_id == @lost")[["attempt", "class", "reason"]].to_numpy().tolist()
    assert rows == [
        [1, "not finite", "NotFinite: nan"],
        [1, "damaged", "damaged: its plan (trial.json) is missing"],
    ]
    assert tables.stamp.startswith(
        f"6 of 7 planned trials are done, 1 has not run; 1 folder tells no trial: {lost}; clips: digits optdigits; "
    )
    tables.write(Storage.at(tmp_path / "tables"))
    assert load(tmp_path / "tables").untold == [lost]
    planned = load(sweep_folder, [task_of(trials[6])])
    assert planned.trials[["state", "reason"]].to_numpy().tolist() == [["failed", "not finite: NotFinite: nan"]]
    assert planned.untold == []


def test_where_no_plan_is_left_every_folder_is_named(sweep_folder: Path, trials: list[Trial]) -> None:
    for trial in trials:
        (sweep_folder / "trials" / trial.trial_id / "trial.json").unlink()
        (sweep_folder / "trials" / trial.trial_id / "record.json").unlink(missing_ok=True)
        (sweep_folder / "trials" / trial.trial_id / "log.txt").write_text("")
    tables = load(sweep_folder)
    assert (len(tables.trials), tables.untold) == (0, sorted(trial.trial_id for trial in trials))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def torn_inside(path: Path) -> None:
    """Its end, which says what it holds, is whole."""
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"torn" + content[8:])


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [cut_off, torn_inside, made_a_folder, Path.unlink])
@pytest.mark.parametrize("name", ["epochs.parquet", "predictions.parquet"])
def test_a_damaged_table_fails_its_trial_alone(
    name: str, damage: Callable[[Path], None], sweep_folder: Path, trials: list[Trial]
) -> None:
    whole, mine = load(sweep_folder), trials[0].trial_id
    damage(sweep_folder / "trials" / mine / name)
    found = load(sweep_folder)
    states = found.trials.set_index("trial_id")
    assert states.loc[mine, "state"] == "failed"
    assert str(states.loc[mine, "reason"]).startswith(f"damaged: {name} ")
    assert str(states.loc[mine, "reason"]).endswith("; `retry` runs it again")
    assert Counter(found.trials["state"]) == {"done": 5, "failed": 2, "pending": 1}
    for table in ("epochs", "evaluations", "predictions"):
        others = getattr(whole, table).query("trial_id != @mine").reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(found, table).reset_index(drop=True), others)


@pytest.mark.parametrize("name", ["{} copy", "{}.bak", "{} (1)", "old", "0123456789ab"])
@pytest.mark.parametrize("place", [0, 6, 7])
def test_a_copy_of_a_trials_folder_is_no_trial(place: int, name: str, sweep_folder: Path, trials: list[Trial]) -> None:
    """Of a trial that is done, one that failed and one that has not run."""
    folder, before = sweep_folder / "trials", load(sweep_folder)
    mine = trials[place].trial_id
    shutil.copytree(folder / mine, folder / name.format(mine))
    after = load(sweep_folder)
    for each in fields(Tables):
        pd.testing.assert_frame_equal(getattr(after, each.name), getattr(before, each.name))


def test_a_sweep_without_a_finished_trial_still_loads(sweep_folder: Path, trials: list[Trial]) -> None:
    tables = load(sweep_folder, [task_of(trials[7])])
    assert (len(tables.trials), len(tables.evaluations), len(tables.epochs)) == (1, 0, 0)
    assert tables.stamp == "The only planned trial has not run; clips: digits optdigits; no weights yet"


def test_failed_attempts_have_rows_of_their_own(sweep_folder: Path, trials: list[Trial]) -> None:
    ledger = Ledger(Storage.at(sweep_folder))
    ledger.fail(trials[0].trial_id, 1, {"class": "preempted", "reason": "node lost", "log_tail": ["one", "two"]})
    failures = load(sweep_folder).failures.set_index("trial_id")
    assert failures.loc[trials[6].trial_id, ["class", "given_up", "attempt"]].tolist() == ["not finite", True, 1]
    assert failures.loc[trials[0].trial_id, ["class", "given_up", "log_tail"]].tolist() == [
        "preempted",
        False,
        "one\ntwo",
    ]
    assert list(load(sweep_folder).failures.columns) == FAILURE_COLUMNS


def test_a_trial_says_what_made_it_and_whether_it_learned(sweep_folder: Path, trials: list[Trial]) -> None:
    row = load(sweep_folder).trials.set_index("trial_id").loc[trials[0].trial_id]
    assert (row["commit"], row["python"], row["versions"]) == ("abc123", "3.11.0", "ray 2.60.0, torch 2.13.0")
    assert row["learned"]


def test_no_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no results in '.*': neither trials/ nor trials.parquet is there"):
        load(tmp_path)


def test_tables_in_files_are_checked_as_they_are_read(sweep_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    load(sweep_folder).write(Storage.at(folder))
    path = folder / "evaluations.parquet"
    whole = path.read_bytes()
    pq.write_table(pq.read_table(path).drop_columns(["target"]), path)
    with pytest.raises(Damaged, match=f"^{path} has no column 'target' of text$"):
        load(folder)
    path.write_bytes(whole[:-20])
    with pytest.raises(Damaged, match=f"^{path} cannot be read: "):
        load(folder)
    path.unlink()
    with pytest.raises(Damaged, match=f"^{path} is missing; "):
        load(folder)


def test_reading_needs_neither_ray_nor_torch(sweep_folder: Path) -> None:
    script = (
        "import sys; from rac_ray.results import load; import rac_ray.results.outputs, rac_ray.results.report\n"
        f"assert len(load({str(sweep_folder)!r}).trials) == 8\n"
        "assert not {'ray', 'torch', 'pytorch_lightning'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
