"""The folder from which a sweep is shared: what is in it, what goes, and that nothing heavy is loaded for its cards."""

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch

from rac_ray import load_exported
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe, Trial
from rac_ray.models import build_model
from rac_ray.results.analysis import Analysis
from rac_ray.results.export import Exported, export
from rac_ray.results.tables import load
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Checkpoint, named
from rac_ray.store.storage import Storage
from rac_ray.studies import study_of
from rac_ray.training.checkpoints import keep
from tests.results.conftest import scored, sweep_folder, trials, trials_of, write
from tests.results.shared import finished

__all__ = ["sweep_folder", "trials"]

TRIALS = trials_of(Recipe(precision="32"))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    finished(tmp_path / "ts_grid", TRIALS[:3])
    return tmp_path / "ts_grid"


def exported(sweep: Path, to: Path, *, weights: bool = True) -> Exported:
    tables = load(sweep)
    return export(Analysis(tables, study_of(tables)), Storage.at(sweep), Storage.at(to), weights=weights)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_every_finished_trial_is_a_folder_beside_the_card(sweep: Path, tmp_path: Path) -> None:
    found = exported(sweep, tmp_path / "out")
    ids = [trial.trial_id for trial in TRIALS[:3]]
    own = {f"model/{each}/{name}" for each in ids for name in ("config.json", "model.safetensors")}
    assert files(tmp_path / "out") == {"model/README.md", "data/README.md", *own}
    assert found == Exported(str(tmp_path / "out"), weights=3, deleted=0)
    assert found.line() == f"export: {tmp_path}/out (model and data card, weights of 3 trials)"
    card = (tmp_path / "out/model/README.md").read_text()
    linked = re.findall(r"\]\(([^:)]+)\)", card)
    assert sorted(linked) == sorted(f"{each}/model.safetensors" for each in ids)
    assert all((tmp_path / "out/model" / path).is_file() for path in linked)


def test_the_same_records_give_the_same_bytes(sweep: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        exported(sweep, tmp_path / name)
    names = files(tmp_path / "first")
    assert names == files(tmp_path / "second")
    assert [
        name for name in names if (tmp_path / "first" / name).read_bytes() != (tmp_path / "second" / name).read_bytes()
    ] == []


def test_the_code_on_the_card_loads_a_model(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(sweep, tmp_path / "out")
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "out/model/README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path / "out/model")
    names: dict[str, object] = {}
    exec(code, names)
    first = min(trial.trial_id for trial in TRIALS[:3])
    assert str(names["model"]) == str(load_exported(tmp_path / "out/model" / first))


def test_weights_that_were_deleted_are_counted_and_their_trial_stays_on_the_card(sweep: Path, tmp_path: Path) -> None:
    gone = TRIALS[1].trial_id
    (sweep / "trials" / gone / "best.ckpt").unlink()
    found = exported(sweep, tmp_path / "out")
    assert (found.weights, found.deleted) == (2, 1)
    assert found.line().endswith("weights of 2 trials; the weights of 1 trial were deleted before)")
    card = (tmp_path / "out/model/README.md").read_text()
    assert f"| {gone} |" in card
    assert f"({gone}/" not in card


def test_what_an_earlier_export_left_goes_and_nothing_else(sweep: Path, tmp_path: Path) -> None:
    exported(sweep, tmp_path / "out")
    (tmp_path / "out/model/notes.txt").write_text("mine")
    (tmp_path / "out/model" / TRIALS[0].trial_id / "notes.txt").write_text("mine")
    before = files(tmp_path / "out")
    exported(sweep, tmp_path / "out", weights=False)
    left = files(tmp_path / "out")
    assert left == {name for name in before if not name.endswith((".safetensors", "config.json"))}
    assert "The weights are not part of this." in (tmp_path / "out/model/README.md").read_text()


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04"])
def test_an_export_that_stops_leaves_the_card_of_the_one_before(content: bytes, sweep: Path, tmp_path: Path) -> None:
    """Cards come last: none names a file that is not there."""
    broken = sweep / "trials" / max(load(sweep).trials["trial_id"]) / "best.ckpt"
    exported(sweep, tmp_path / "out")
    before = (tmp_path / "out/model/README.md").read_bytes()
    finished(sweep, TRIALS[3:4])
    broken.write_bytes(content)
    for folder in ("out", "new"):
        with pytest.raises(BadInput, match=r"best\.ckpt is damaged: it holds no weights"):
            exported(sweep, tmp_path / folder)
    assert (tmp_path / "out/model/README.md").read_bytes() == before
    assert not list((tmp_path / "new").rglob("README.md"))


def test_failed_and_pending_trials_are_told_and_not_shared(sweep_folder: Path, tmp_path: Path) -> None:
    """Their weights are no checkpoints in this sweep, so that only cards are asked for."""
    exported(sweep_folder, tmp_path / "out", weights=False)
    card = (tmp_path / "out/model/README.md").read_text()
    assert "6 of 8 planned trials are done, 1 has failed, 1 has not run; " in card
    assert "Provisional: 2 trials have not finished" in card
    rows = re.findall(r"^\| ([0-9a-f]{12}) \|", card, re.MULTILINE)
    assert sorted(rows) == sorted(trial.trial_id for trial in TRIALS[:6])


def test_trials_of_one_training_have_the_weights_of_their_own_epochs(tmp_path: Path) -> None:
    """Two experiments that compare a model at two levels of accuracy, with a checkpoint each."""
    ledger = Ledger(Storage.at(tmp_path / "sweep"))
    low, high = (Trial(TRIALS[0].training, experiment, level) for experiment, level in (("a", 0.6), ("b", 0.8)))
    chosen = [Checkpoint(level=0.6, epoch=1, val_top1=0.6), Checkpoint(level=0.8, epoch=3, val_top1=0.8)]
    kept = {"kept": [(1, 0.6), (3, 0.8)], "selected": chosen}
    record = msgspec.structs.replace(scored(low), trials=[named(low), named(high)], **kept)
    models = {epoch: build_model("cnn3d", 2) for epoch in (1, 3)}
    for epoch, model in models.items():
        keep(ledger.folder(record.training_id), epoch, model.state_dict())
    write(ledger, record)
    exported(tmp_path / "sweep", tmp_path / "out")
    for trial, epoch in ((low, 1), (high, 3)):
        folder = tmp_path / "out/model" / trial.trial_id
        loaded, expected = load_exported(folder).state_dict(), models[epoch].state_dict()
        assert all(torch.equal(loaded[name], value) for name, value in expected.items())
        config = json.loads((folder / "config.json").read_text())
        assert (config["epoch"], config["name"]) == (epoch, f"{trial.experiment} cnn3d h=2 2dot seed=0")
        assert [each["level"] for each in config["record"]["selected"]] == [trial.level]


def test_nothing_to_export_is_told(tmp_path: Path, sweep: Path) -> None:
    for record in sweep.glob("trials/*/record.json"):
        record.unlink()
    (sweep / "trials" / TRIALS[0].trial_id / "trial.json").write_text(json.dumps(TRIALS[0].as_dict()))
    with pytest.raises(BadInput, match=r"no trial of '.*ts_grid' has finished: there is nothing to export yet"):
        exported(sweep, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_tables_has_no_records_to_share(sweep: Path, tmp_path: Path) -> None:
    load(sweep).write(Storage.at(tmp_path / "tables"))
    said = r"^no records in '.*tables' of 3 finished trials; valid: the folder of a sweep, which has trials/$"
    with pytest.raises(BadInput, match=said):
        exported(tmp_path / "tables", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_cards_alone_load_no_torch(sweep: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "rac_ray.cli.command", "results", str(sweep)]
    more = ["--to", str(tmp_path / "to"), "--export", str(tmp_path / "out"), "--without-weights", "--json"]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "yaml" in loaded
    assert {"torch", "ray", "safetensors"} & loaded == set()
    assert json.loads(done.stdout)["export"] == str(tmp_path / "out")
    assert files(tmp_path / "out") == {"model/README.md", "data/README.md"}


def test_the_command_exports_and_says_so(sweep: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rac_ray.cli.command", "results", str(sweep)]
    more = ["--to", str(tmp_path / "to"), "--export", str(tmp_path / "out")]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
    assert f"\nexport: {tmp_path}/out (model and data card, weights of 3 trials)\n" in f"{done.stdout}\n"
    assert not load_exported(tmp_path / "out/model" / TRIALS[0].trial_id).training
