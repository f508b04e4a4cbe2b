"""The verbs as a notebook calls them: plain functions, typed results, and the weights of a finished trial."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import rac_ray
from rac_ray import BadInput, Resources, Where, Which
from rac_ray.data.manifest import read_split
from rac_ray.identity import Trial
from rac_ray.models import build_model
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Checkpoint, named
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.outcomes import Results
from rac_ray.training.checkpoints import as_bytes
from rac_ray.training.task import Task
from tests.records import record_of
from tests.sweep.tiny_sweep import GRID

STUDY = TemporalShape("tiny", {"all": GRID}, "all")


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Where:
    folder = tmp_path_factory.mktemp("notebook")
    return Where(str(folder / "results"), str(folder / "data"))


@pytest.fixture(scope="module")
def ran(local_ray: None, where: Where) -> Results:
    """Two seeds of the grid."""
    return rac_ray.run(STUDY, where=where, seeds=[0, 1], say=lambda _line: None)


def test_a_run_returns_its_results(ran: Results) -> None:
    assert (ran.code, ran.stopped) == (0, "")
    assert ran.counts == {"planned": 2, "done": 2, "unreached": 0, "failed": 0, "running": 0, "pending": 0}
    assert set(ran.analysis.tables.trials["seed"]) == {0, 1}
    assert Path(ran.folder, "tables/trials.parquet").exists()


def test_status_and_plan_are_typed(ran: Results, where: Where) -> None:
    status = rac_ray.status(STUDY, where=where)
    assert [trial.state for trial in status.trials] == ["done", "done", "pending"]
    assert (status.code, status.driver, status.job) == (3, None, None)
    assert status.invariant == "3 trials planned = 2 done + 0 failed + 0 running + 1 pending"
    plan = rac_ray.plan(STUDY, where=where, which=Which(only="seed=2"), resources=Resources(num_cpus=2))
    assert [trial.name for trial in plan.trials] == ["timesformer1 h=2 2dot seed=2"]
    assert plan.trainings == (1, 1)
    assert plan.about == {}


def test_describe_and_clean(ran: Results, where: Where) -> None:
    trial_id = ran.analysis.tables.trials["trial_id"].iloc[0]
    described = rac_ray.describe(STUDY, trial_id[:6], where=where)
    assert described.about["state"] == "done"
    assert described.lines()[0].startswith(trial_id)
    cleaned = rac_ray.clean(STUDY, where=where)
    assert (dict(cleaned.files), cleaned.freed) == ({}, 0)
    assert rac_ray.cancel(STUDY, where=where).lines() == ["no driver runs"]


def test_a_loaded_model_says_what_its_trial_said(ran: Results, where: Where) -> None:
    tables = rac_ray.load(f"{where.storage}/tiny")
    trial_id = tables.trials["trial_id"].iloc[0]
    model = rac_ray.load_model(trial_id[:8], f"{where.storage}/tiny")
    assert not model.training
    clips = read_split(Storage.at(where.data or ""), "mnist/test")
    with torch.no_grad():
        logits = model(torch.tensor(clips.frames).unsqueeze(2).float() / 255).numpy()
    said = tables.predictions.query("trial_id == @trial_id and target == 'mnist'")
    assert said["clip_id"].tolist() == clips.clip_ids
    np.testing.assert_allclose(np.stack(said["logits"].tolist()), logits, rtol=1e-4, atol=1e-6)


def test_bad_input_is_a_sentence(where: Where, local_ray: None) -> None:
    with pytest.raises(BadInput, match="unknown preset 'most'; valid: all"):
        rac_ray.run(STUDY, "most", where=where)
    with pytest.raises(BadInput, match="unknown precision '8'; valid: auto"):
        rac_ray.status(STUDY, where=where, which=Which(precision="8"))
    with pytest.raises(BadInput, match=r"0 finished trials of .* begin with 'zz'; valid: one"):
        rac_ray.load_model("zz", f"{where.storage}/tiny")
    with pytest.raises(AttributeError, match="module 'rac_ray' has no attribute 'jump'"):
        rac_ray.jump  # noqa: B018


def test_weights_that_were_deleted_are_told(ran: Results, where: Where) -> None:
    trial_id = ran.analysis.tables.trials["trial_id"].iloc[1]
    path = Path(where.storage or "", "tiny/trials", trial_id, "best.ckpt")
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(BadInput, match=rf"trial {trial_id} has no best\.ckpt in .*; its weights were deleted"):
        rac_ray.load_model(trial_id, f"{where.storage}/tiny")
    path.write_bytes(content)


def test_a_level_that_was_asked_for_after_a_training_without_levels_has_the_best_weights(
    tmp_path: Path, make_task: Callable[..., Task]
) -> None:
    """No epoch but the best was kept, so that it is the nearest to any level."""
    task = make_task("cnn3d", 2)
    trial = Trial(task.training, "a", 0.4)
    record = record_of(task, trials=[named(trial)], selected=[Checkpoint(level=0.4, epoch=3, val_top1=0.5)])
    model = build_model("cnn3d", 2)
    Ledger(Storage.at(tmp_path / "ts_grid")).trained(
        record, [{"epoch": 3, "val_top1": 0.5}], as_bytes(model.state_dict())
    )
    loaded = rac_ray.load_model(trial.trial_id, tmp_path / "ts_grid").state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())
