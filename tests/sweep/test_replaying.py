"""A real sweep of two trials, packed, derived again, and one of them trained again, through the commands."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rac_ray.cli import sweep_main
from rac_ray.cli.command import main
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.results.capsule import pack
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.studies.temporal_shape.rendering import clip_source, rendered_parts
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.replaying import Retrained, _said_then, replay_capsule
from tests.conftest import local_ray
from tests.records import record_of, said, task_of, written
from tests.results.studies import SHAPES
from tests.results.sweeps import write_sweep

RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=2, patience=2)
GRID = Grid(
    ("cnn3d",), (2,), (0, 1), ("mnist_bg",), train_clips=24, val_clips=10, test_clips=8,
    recipes={"cnn3d": RECIPE}, paired_clips=6,
)  # fmt: skip
STUDY = TemporalShape(presets={"small": GRID}, default_preset="small")
"""Under the study's own name: a capsule is opened by the study that its records name."""


@pytest.fixture(scope="module")
def capsule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    with pytest.raises(SystemExit) as stopped:
        sweep_main(STUDY, ["--probe-seconds", "0", "--storage", str(folder / "r"), "--data", str(folder / "d")])
    assert stopped.value.code == 0
    places = ["--storage", str(folder / "r"), "--data", str(folder / "d")]
    with pytest.raises(SystemExit) as stopped:
        sweep_main(STUDY, ["results", "--capsule", str(folder / "out.tar.zst"), "--report", *places])
    assert stopped.value.code == 0
    return folder / "out.tar.zst"


def with_changes(record: Record, **changes: Any) -> Record:
    return msgspec.structs.replace(record, **changes)


def replayed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["replay", *arguments])
    out, err = capsys.readouterr()
    return stopped.value.code, out, err


@pytest.mark.usefixtures("local_ray")
def test_every_output_is_the_same_and_a_trial_trains_to_the_same_predictions(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = replayed(capsys, str(capsule), "--to", str(tmp_path / "again"), "--retrain", "1", "--seed", "3")
    assert code == 0, out
    assert "DIFFERENT" not in out
    assert " tables and figures are the same to the byte" in out
    assert "agrees cnn3d h=2 mnist_bg seed=" in out
    assert "100.00% of predictions the same, top-1 differs by at most +0.000" in out


@pytest.mark.usefixtures("local_ray")
def test_a_study_checks_capsules_of_its_own(capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = swept_again(
        capsys, "replay", str(capsule), "--to", str(tmp_path / "again"), "--retrain", "1", "--json"
    )
    value = json.loads(out)
    assert (code, value["different"], value["trainings"], value["wrong"]) == (0, [], 2, {})
    (retrained,) = value["retrained"]
    assert (retrained["agrees"], retrained["same_predictions"]) == (True, 1)
    with pytest.raises(SystemExit) as stopped:
        main(["diving48", "replay", str(capsule), "--to", str(tmp_path / "other")])
    said = f"error: '{capsule}' is of the study 'ts_grid'; valid: one of 'diving48'\n"
    assert (stopped.value.code, capsys.readouterr().err) == (2, said)


def test_predictions_of_then_are_those_of_the_evaluations_that_are_compared(tmp_path: Path, make_training) -> None:
    """Another checkpoint of the training was asked about the same clips, and missed all of them."""
    ledger, record = Ledger(Storage.at(tmp_path)), record_of(task_of(make_training()))
    first = record.evaluations[0]
    later = msgspec.structs.replace(first, evaluation_id="later", epoch=1, correct=0, top1=0.0)
    written(ledger, msgspec.structs.replace(record, evaluations=[first, later]))
    expected = said(first).to_pydict()
    assert _said_then(ledger, record, [first]) == dict(zip(expected["clip_id"], expected["predicted"], strict=True))


def test_records_that_are_not_what_they_say_are_told(tmp_path: Path) -> None:
    """One has another seed than its id says, one says more right answers than its predictions have."""
    sweep = write_sweep(tmp_path / "sweep", {"cnn3d": 0.6}, sizes=(2,))
    first, second, _ = folders = sorted((sweep / "trials").iterdir())
    changed = {folder: json.loads((folder / "record.json").read_text()) for folder in folders}
    changed[first]["seed"] = 7
    changed[second]["evaluations"][-1] |= {"correct": 70, "top1": 0.7}
    for folder, record in changed.items():
        (folder / "record.json").write_text(json.dumps(record))
    pack(Storage.at(sweep), tmp_path / "out.tar.zst", SHAPES)
    found = replay_capsule(tmp_path / "out.tar.zst", tmp_path / "again", 0, 0, lambda _: SHAPES)
    assert list(found.wrong) == [first.name, second.name]
    assert found.wrong[first.name].startswith("its settings are those of ")
    assert found.wrong[second.name] == "mnist/test: 70 of 100 clips in its record, 60 of 100 in its predictions"
    assert (found.code, found.derived.different) == (1, ())
    assert "1 of 3 finished trainings are what their ids and predictions say" in found.lines()
    assert f"WRONG {second.name}: {found.wrong[second.name]}" in found.lines()


def test_what_cannot_be_trained_again_here_says_who_can(tmp_path: Path) -> None:
    pack(Storage.at(write_sweep(tmp_path / "sweep", {"cnn3d": 0.6})), tmp_path / "out.tar.zst", SHAPES)
    with pytest.raises(BadInput) as refused:
        replay_capsule(tmp_path / "out.tar.zst", tmp_path / "again", 1, 0, lambda _: SHAPES)
    assert re.fullmatch(
        r"cnn3d h=\d 2dot seed=\d+ cannot be trained again here: trials of shapes cannot be trained again from their "
        "records; models and studies of a script are known to the verb replay of that script",
        str(refused.value),
    )


@pytest.mark.usefixtures("local_ray")
def test_more_trials_than_there_are_cannot_be_trained_again(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = replayed(capsys, str(capsule), "--to", str(tmp_path / "again"), "--retrain", "9")
    assert (code, err) == (2, "error: --retrain 9: the capsule has 2 finished trials; valid: at most so many\n")


def test_what_is_imported_is_not_trained_again_and_scores_the_same(
    capsule: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swept = capsule.parent
    there = ["--storage", str(swept / "r"), "--data", str(swept / "d")]
    here = ["--storage", str(tmp_path / "r"), "--data", str(tmp_path / "d")]
    packed = str(tmp_path / "weights.tar.zst")
    swept_again(capsys, "results", "--capsule", packed, "--capsule-weights", *there)
    code, out, _ = swept_again(capsys, "import", packed, *here[:2])
    counts = "with more evaluations: 0, here already: 0, different: 0, refused: 0"
    said = f"2 finished trainings came from {packed} to {tmp_path}/r/ts_grid; {counts}\n"
    assert (code, out) == (0, said)
    code, out, _ = swept_again(capsys, "status", *here)
    assert (code, out.splitlines()[0]) == (0, "2 trials planned = 2 done + 0 failed + 0 running + 0 pending")
    table = "small/tables/evaluations.parquet"
    swept_again(capsys, "results", *here)
    assert (tmp_path / "r/ts_grid" / table).read_bytes() == (swept / "r/ts_grid" / table).read_bytes()
    assert {each.name for each in (tmp_path / "r/ts_grid/trials").glob("*/best.ckpt")} == {"best.ckpt"}
    code, out, _ = swept_again(capsys, "import", str(swept / "r/ts_grid"), *here[:2], "--json")
    assert (code, len(json.loads(out)["same"])) == (0, 2)


def test_an_import_of_nothing_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = swept_again(capsys, "import", str(tmp_path / "none"), "--storage", str(tmp_path / "r"))
    said = (
        f"error: there are no trials in '{tmp_path}/none'; valid: a sweep's folder, which has trials/, or a capsule\n"
    )
    assert (code, out, err) == (2, "", said)
    assert not (tmp_path / "r").exists()


def swept_again(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as stopped:
        sweep_main(STUDY, [*arguments])
    out, err = capsys.readouterr()
    return stopped.value.code, out, err


def test_what_is_no_capsule_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.tar.zst"
    text.write_text("no capsule")
    for path, sentence in (
        (tmp_path / "none.tar.zst", "there is no capsule at"),
        (tmp_path / "nowhere/none.tar.zst", "there is no capsule at"),
        (text, f"'{text}' is not a whole capsule ("),
        (tmp_path, f"there is no capsule at '{tmp_path}'; valid: a file that results --capsule has packed"),
        (Path("/"), "there is no capsule at '/'; valid: "),
    ):
        code, out, err = replayed(capsys, str(path))
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"error: {sentence}")
    assert list(tmp_path.iterdir()) == [text]


@pytest.mark.usefixtures("local_ray")
def test_clips_are_rendered_as_the_trial_saw_them(capsule: Path) -> None:
    (record, _) = [entry.record for entry in Ledger(Storage.at(capsule.parent / "r/ts_grid")).scan().values()]
    assert record is not None
    frames = clip_source([record])("mnist/test/000003")
    assert frames.shape == (20, 64, 64)
    assert (rendered_parts(record)["mnist/test"].frames[3] == frames).all()
    with pytest.raises(BadInput, match="does not say what its clips were made from"):
        clip_source([with_changes(record, dataset=None)])
    with pytest.raises(BadInput, match="with other pixels here than trial"):
        rendered_parts(with_changes(record, content=dict.fromkeys(record.content, "other")))
    assert record.dataset
    other = {**record.dataset, "digits": {"source": "optdigits", "digest": "other"}}
    with pytest.raises(BadInput, match=r"drawn with digits 'optdigits' \(other\), which are no longer shipped"):
        clip_source([with_changes(record, dataset=other)])
    with pytest.raises(BadInput, match="trials were tested on different clips of 5dot/test"):
        clip_source([record, with_changes(record, content={**record.content, "5dot/test": "other"})])


@pytest.mark.usefixtures("local_ray")
def test_the_report_shows_clips_that_were_misclassified(capsule: Path) -> None:
    page = (capsule.parent / "r/ts_grid/small/report.html").read_text()
    assert "data:image/gif" in page


def test_a_trial_is_trained_again_with_its_own_normalisation(capsule: Path) -> None:
    ledger = Ledger(Storage.at(capsule.parent / "r/ts_grid"))
    record = next(iter(ledger.records(ledger.training_ids()).values()))
    own, layer = record, with_changes(record, recipe=replace(record.recipe, normalisation="layer"))
    norms = [
        {type(module).__name__ for module in STUDY.again(each)[0].build().modules()} & {"PlainBatchNorm3d", "FrameNorm"}
        for each in (own, layer)
    ]
    assert norms == [{"PlainBatchNorm3d"}, {"FrameNorm"}]


def test_a_training_that_nobody_asked_anything_is_not_finished(tmp_path: Path, make_training) -> None:
    """A sweep may be packed while one stands between its training and its evaluations."""
    sweep = write_sweep(tmp_path / "sweep", {"cnn3d": 0.6}, sizes=(2,))
    first, *_ = sorted((sweep / "trials").iterdir())
    record = json.loads((first / "record.json").read_text())
    (first / "record.json").write_text(json.dumps({**record, "evaluations": [], "dataset": None}))
    pack(Storage.at(sweep), tmp_path / "out.tar.zst", SHAPES)
    found = replay_capsule(tmp_path / "out.tar.zst", tmp_path / "again", 0, 0, lambda _: SHAPES)
    assert (found.trainings, found.wrong) == (2, {})


def test_a_trial_that_came_out_otherwise_is_told() -> None:
    assert Retrained("a", {"mnist/test": -0.04}, 0.9, 1.0).agrees
    assert not Retrained("a", {"mnist/test": 0.01, "5dot/test": -0.06}, 0.9, 1.0).agrees


__all__ = ["local_ray"]
