"""What ``results`` prints and writes, from records that tests wrote."""

import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from json import loads as json_of
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from rac_ray.cli.sweep import watch
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe, Trial
from rac_ray.results.capsule import pack
from rac_ray.results.shown import show
from rac_ray.store.ledger import DRIVER, Ledger
from rac_ray.store.lock import holding
from rac_ray.store.record import Checkpoint, named
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE
from rac_ray.sweep.outcomes import Wanted, as_text
from tests.records import EPOCH
from tests.results.conftest import finish, scored, sweep_folder, task_of, trials, trials_of, write
from tests.results.studies import SHAPES

__all__ = ["sweep_folder", "trials"]


def shown(
    sweep: Path,
    to: Path,
    capsys: pytest.CaptureFixture[str],
    wanted: Wanted | None = None,
    *,
    json: bool = False,
    seconds: int | None = None,
    **more: Any,
) -> tuple[int, str]:
    """Exit code and text of one look, or of a watch."""
    if seconds is None:
        found = show(Storage.at(sweep), Storage.at(to), wanted or Wanted(), study_of=lambda _tables: SHAPES, **more)
        return found.code, as_text(found, json)
    code = watch(
        Ledger(Storage.at(sweep)), Storage.at(to), wanted or Wanted(), seconds, json, study_of=lambda _tables: SHAPES
    )
    return code, capsys.readouterr().out


def test_tables_failures_and_the_invariant_are_printed(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], trials: list[Trial]
) -> None:
    code, out = shown(sweep_folder, tmp_path / "to", capsys)
    assert code == 1
    assert "Trained on 2dot: accuracy in % [95% interval over seeds and clips; * too few seeds for an" in out
    assert f"FAILED {trials[6].trial_id} convlstm h=4 2dot seed=0: not finite: NotFinite: nan" in out
    assert "8 trials planned = 6 done + 1 failed + 0 running + 1 pending; clips: digits optdigits; " in out
    assert "\n1 trial has not run" in out
    assert "\nIn short: 6 of 8 trials are done, with " in out
    assert (tmp_path / "to/tables/trials.parquet").exists()
    assert "reproduced" not in out


def test_a_failed_trial_whose_plan_is_lost_does_not_vanish(
    sweep_folder: Path, tmp_path: Path, trials: list[Trial]
) -> None:
    """All others are done; the exit code is that of a failure."""
    lost, pending = (sweep_folder / "trials" / trial.trial_id for trial in trials[6:])
    (lost / "trial.json").unlink()
    shutil.rmtree(pending)
    found = show(Storage.at(sweep_folder), Storage.at(tmp_path / "to"), Wanted(), study_of=lambda _tables: SHAPES)
    out, said = as_text(found, as_json=False), f"1 folder tells no trial: {lost.name}"
    assert (found.code, found.value()["untold"]) == (1, [lost.name])
    assert f"FAILED {lost.name}: damaged: its plan (trial.json) is missing" in out.splitlines()
    assert f"6 trials planned = 6 done + 0 failed + 0 running + 0 pending; {said}; clips" in " ".join(out.split())
    assert f'"untold":"{said}"' in (tmp_path / "to/report.html").read_text()
    assert said in " ".join((tmp_path / "to/tables/figure3-2dot.md").read_text().split())


@pytest.mark.parametrize("packed", [False, True])
def test_a_sweep_is_set_beside_another_one(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], packed: bool
) -> None:
    """The other one is a folder, or a capsule, which is unpacked for as long as it is read."""
    other = tmp_path / "other/ts_grid"
    ledger = Ledger(Storage.at(other))
    for trial in trials_of(Recipe(precision="32", batch_size=7))[:2]:
        finish(ledger, trial, -0.1)
    if packed:
        pack(Storage.at(other), tmp_path / "other.tar.zst", SHAPES)
        other = tmp_path / "other.tar.zst"
    wanted = Wanted(against=str(other), report=False)
    _, out = shown(sweep_folder, tmp_path / "to", capsys, wanted)
    assert f"Beside {other}: mean here less mean there, over the sizes that both have [95%" in " ".join(out.split())
    assert "recipes differ in batch_size" in " ".join(out.split())
    assert re.search(r"^ *2dot +cnn3d +top1 +\+12\.5\* +\+12\.5\* +\+12\.5\* +\+12\.5\*$", out, re.MULTILINE), out
    assert f"verdicts beside {other}: no claim has run in both" in " ".join(out.split())
    table = pd.read_csv(tmp_path / "to/tables/against.csv", comment="#")
    assert table.query("measure == 'top1'")["difference"].tolist() == pytest.approx([0.125] * 4)
    _, told = shown(sweep_folder, tmp_path / "to", capsys, wanted, json=True)
    against = json_of(told)["against"]
    assert (against["name"], len(against["differences"]), against["verdicts"][0]["differs"]) == (str(other), 6, None)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("reference", "shapes has no reference; valid: a sweep's folder, or a capsule"),
        ("nowhere", "there are no trials in 'nowhere'; valid: a sweep's folder, which has trials/, or a capsule"),
    ],
)
def test_what_it_cannot_be_set_beside_is_named_before_anything_is_written(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str, said: str
) -> None:
    with pytest.raises(BadInput, match=f"^{re.escape(said)}$"):
        shown(sweep_folder, tmp_path / "to", capsys, Wanted(against=other))
    assert not (tmp_path / "to").exists()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    through = r"storage '.*' leads through '.*file', a file; valid: a folder, also a new one"
    for to, wanted, said in (
        ("file", Wanted(), through),
        ("to", Wanted(export=f"{tmp_path}/file/export"), through),
        ("to", Wanted(capsule=f"{tmp_path}/file/out.tar.zst"), through),
        ("to", Wanted(capsule=str(tmp_path)), r"--capsule '.*' is a folder; valid: a file, as in out.tar.zst"),
    ):
        with pytest.raises(BadInput, match=f"^{said}$"):
            shown(sweep_folder, tmp_path / to, capsys, wanted)
    assert [path.name for path in tmp_path.iterdir() if path != sweep_folder] in (["file"], ["file", "results"])


def test_a_studys_reference_is_asked_for_by_that_word(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(Storage.at(sweep_folder), tmp_path / "packed.tar.zst", SHAPES)
    monkeypatch.setattr(SHAPES, "reference", tmp_path / "packed.tar.zst")
    _, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(against="reference", report=False))
    assert "Beside reference: mean here less mean there" in out
    assert "recipes are the same" in " ".join(out.split())


def test_planned_trials_without_a_trace_are_pending(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], trials: list[Trial]
) -> None:
    planned = [task_of(trials[0]), task_of(Trial(replace(trials[0].training, seed=7)))]
    code, out = shown(sweep_folder, tmp_path / "to", capsys, tasks=planned)
    assert code == 3
    assert "2 trials planned = 1 done + 0 failed + 0 running + 1 pending" in out


def test_every_claim_gets_a_verdict(sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(verdict=True))
    assert all(f" {claim.claim_id}: " in out for claim in TEMPORAL_SHAPE)
    assert "\nnot run  ts-from-background: " in out
    said = " ".join(out.split())
    assert "claims could be tested; p values are corrected over these. Provisional: 2 trials have not finished" in said
    assert max(map(len, out[out.index("Verdicts: ") : out.index("8 trials planned")].splitlines())) <= 100
    _, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(verdict=True), json=True)
    value = json_of(out)
    assert {row["target"] for row in value["accuracy"] if row["role"] == "target"} == {"5dot", "mnist"}
    assert {row["statistic"] for row in value["robustness"]} >= {"ratio", "chance_corrected_ratio"}
    verdicts = value["verdicts"]
    assert {row["claim_id"] for row in verdicts} == {claim.claim_id for claim in TEMPORAL_SHAPE}
    assert {row["outcome"] for row in verdicts} <= {"reproduced", "contradicted", "underpowered", "not run"}


def test_two_presets_on_one_storage_are_shown_side_by_side(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for trial in trials_of(Recipe(batch_size=16, max_epochs=6, precision="32"))[:4]:
        finish(Ledger(Storage.at(sweep_folder)), trial, -0.2)
    code, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(verdict=True, report=True))
    assert code == 1
    assert "12 trials planned = 10 done + 1 failed + 0 running + 1 pending" in out
    assert {"Verdicts: batch 64: ", "Verdicts: batch 16: "} <= set(re.findall(r"Verdicts: batch \d+: ", out))
    figure3 = pd.read_csv(tmp_path / "to/tables/figure3-2dot.csv", comment="#")
    means = figure3.query("model == 'cnn3d' and target == '5dot'").set_index("recipe")["mean"]
    assert means.to_dict() == pytest.approx({"batch 64": 0.625, "batch 16": 0.4})
    figures = {path.name for path in (tmp_path / "to/figures").iterdir()}
    assert {"figure3-2dot-batch-64.png", "figure3-2dot-batch-16.png"} <= figures
    assert "Accuracy on every domain, trained on 2dot, batch 16" in (tmp_path / "to/report.html").read_text()


def test_a_level_that_was_not_reached_is_counted_apart_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trials: list[Trial]
) -> None:
    ledger = Ledger(Storage.at(tmp_path / "sweep"))
    low, high = (Trial(trials[0].training, experiment, level) for experiment, level in (("a", 0.8), ("b", 0.95)))
    record = scored(low)
    selected = [
        Checkpoint(level=low.level, epoch=EPOCH, val_top1=0.8),
        Checkpoint(level=high.level, epoch=EPOCH, val_top1=0.8, reached=False),
    ]
    record = msgspec.structs.replace(record, trials=[named(low), named(high)], selected=selected)
    write(ledger, record)
    code, out = shown(tmp_path / "sweep", tmp_path / "to", capsys, Wanted(verdict=True))
    assert code == 0
    assert "2 trials planned = 1 done + 1 unreached + 0 failed + 0 running + 0 pending" in out
    assert "Provisional" not in out
    without = (tmp_path / "to/tables/without-ratio.md").read_text()
    assert "never reached a validation top-1 of 0.95: 0.8000 at best" in without


def test_a_report_is_written_unless_it_is_not_wanted_and_a_capsule_when_asked_for(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsule = tmp_path / "out.tar.zst"
    _, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(capsule=str(capsule)), title="a title")
    assert f"\nopen {tmp_path}/to/report.html\nthe page has no clips: clips of shapes are not rendered again" in out
    page = (tmp_path / "to/report.html").read_text()
    assert "<title>a title" in page
    assert "Accuracy on every domain" in page
    assert "6 of 8 planned trials are done, 1 has failed, 1 has not run; " in page
    assert capsule.stat().st_size > 1000
    assert f"capsule: {capsule}" in out
    _, out = shown(sweep_folder, tmp_path / "without", capsys, Wanted(report=False))
    assert "\nopen " not in out
    assert not (tmp_path / "without/report.html").exists()


def test_an_export_is_written_when_asked_for_once_a_trial_has_finished(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], trials: list[Trial]
) -> None:
    wanted = Wanted(export=str(tmp_path / "out"), without_weights=True)
    _, out = shown(sweep_folder, tmp_path / "to", capsys, wanted)
    assert f"export: {tmp_path}/out (model and data card)" in out
    assert (tmp_path / "out/model/README.md").is_file()
    planned, other = [task_of(trials[7])], Wanted(export=str(tmp_path / "other"))
    _, out = shown(sweep_folder, tmp_path / "to", capsys, other, tasks=planned)
    assert "export: nothing yet, no trial has finished" in out
    assert not (tmp_path / "other").exists()


def test_watching_ends_when_the_sweep_does(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], trials: list[Trial]
) -> None:
    """An open page reloads itself until the last trial is done; the failed one stays failed."""
    ledger, report = Ledger(Storage.at(sweep_folder)), tmp_path / "to/report.html"
    pages = []

    def finish_the_last() -> None:
        while not report.exists():
            time.sleep(0.05)
        pages.append(report.read_text())
        finish(ledger, trials[7])

    thread = threading.Thread(target=finish_the_last)
    thread.start()
    with holding(ledger.storage, DRIVER):
        code, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(report=True), seconds=1)
    thread.join()
    assert code == 1
    assert out.count("8 trials planned = ") >= 2
    assert '"refreshSeconds":1' in pages[0]
    assert '"refreshSeconds":1' not in report.read_text()


def test_watching_ends_when_nobody_runs_the_sweep(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(), seconds=60)
    assert (code, out.splitlines()[-1]) == (1, "no driver is running this sweep: nothing to watch")


def test_json_of_a_watch_is_a_line_per_look(
    sweep_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = shown(sweep_folder, tmp_path / "to", capsys, Wanted(), json=True, seconds=60)
    (line,) = out.splitlines()
    assert json_of(line)["counts"]["done"] == 6


def test_neither_ray_nor_torch_is_needed(sweep_folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from rac_ray.cli.command import main\n"
        "try:\n"
        f"    main(['results', {str(sweep_folder)!r}, '--to', {str(tmp_path / 'to')!r}, '--verdict', '--report'])\n"
        "except SystemExit as stopped:\n"
        "    assert stopped.code == 1, stopped.code\n"
        "assert not {'ray', 'torch', 'pytorch_lightning'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
