"""Diving48's experiments: the plan by hand, and a tiny one run on a real Ray, stopped, gone on with, and shown."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
import ray
import torch
from torch import nn

from rac_ray.data.generate import generate
from rac_ray.data.manifest import MANIFEST, require_manifest, shard_contents
from rac_ray.data.masks import write_masks
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.results import load
from rac_ray.results.weights import load_model
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.studies.diving48.domains import Published, Rendered
from rac_ray.studies.diving48.feed import DivingSubject
from rac_ray.studies.diving48.grid import PRESETS, DivingGrid
from rac_ray.studies.diving48.shape_texture import RENDERING
from rac_ray.studies.diving48.sizes import Experiment, Size
from rac_ray.studies.diving48.study import Diving48
from rac_ray.studies.diving48.synthetic import MASKS, write_dives
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.only import Only
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import price_plan, run_plan

SIZES = {
    "small": Size("timesformer1", 4, {"depth": 1}),
    "smaller": Size("timesformer1", 2, {"depth": 1}),
}
B = Experiment(0.99, {"timesformer": "small"})
GRID = DivingGrid(
    experiments={
        "a": Experiment(0.01, {"timesformer": "small"}),
        "b": B,
        "e": Experiment(0.01, {"timesformer": "smaller"}),
    },
    sizes=SIZES,
    recipe=Recipe(learning_rate=0.01, batch_size=8, max_epochs=2, patience=2),
    domains=("original", "control", "s1", "t"),
    seeds=(42,),
    workers=1,
)


@pytest.fixture(scope="module", autouse=True)
def two_cpus() -> Iterator[None]:
    ray.init("local", num_cpus=2, object_store_memory=300_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def data(two_cpus: None, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    folder = tmp_path_factory.mktemp("dives")
    root = Storage.at(folder / "data")
    write_dives(folder / "official", root.below("masks"), train=40, test=4)
    generate(root, OfficialVideos.at(folder / "official"))
    return root


def planned(data: Storage, storage: Path, grid: DivingGrid = GRID, **changes: Any) -> Plan:
    given = {"masks": f"{data.root}/masks/{MASKS}", **changes}
    study = Diving48(presets={"tiny": replace(grid, **given)}, default_preset="tiny")
    return make_plan(study, "tiny", str(storage), data.root)


def ids(plan: Plan) -> tuple[list[str], list[str]]:
    """Of its trainings, and of their evaluations as if the checkpoint were of epoch 0."""
    evaluations = [e.evaluation_id(task.training_id, 0) for task in plan.tasks for e in task.evaluations]
    return [task.training_id for task in plan.tasks], evaluations


def test_the_study_is_six_trainings_that_serve_eight_experiments(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path, DivingGrid(recipe=GRID.recipe, seeds=(42,)))
    assert [task.training.size for task in plan.tasks] == [
        "convlstm-4x128", "cnn3d-4x128", "timesformer-85m", "cnn3d-11", "cnn3d-6x128", "timesformer-15m",
    ]  # fmt: skip
    assert len(plan.trials) == 3 * 3 + 2 + 4 * 3
    recurrent = plan.tasks[0]
    levels = {trial.experiment: trial.level for trial in recurrent.trials}
    assert levels == dict(zip("abcdefgh", (0.30, 0.35, 0.383, 0.5007, 0.30, 0.35, 0.40, 0.45), strict=True))
    assert len({trial.trial_id for trial in plan.trials}) == len(plan.trials)
    seeds = planned(data, tmp_path, DivingGrid(recipe=GRID.recipe))
    assert {task.training.seed for task in seeds.tasks} == {42, 61, 47}
    assert (len(seeds.tasks), len(seeds.trials)) == (18, 3 * 23)
    assert {trial.trial_id for trial in plan.trials} < {trial.trial_id for trial in seeds.trials}


def test_masks_of_training_clips_change_no_evaluation(data: Storage, tmp_path: Path) -> None:
    """Only test clips are edited."""
    masks = Storage.at(shutil.copytree(f"{data.root}/masks", tmp_path / "masks"))
    before = ids(planned(data, tmp_path, masks=masks.root))
    shard, *_ = shard_contents(require_manifest(data), ["train"]).items()
    write_masks(masks, "train.parquet", [], ["clip"], made_of=shard)
    assert ids(planned(data, tmp_path, masks=masks.root)) == before


def test_published_videos_stand_alone(data: Storage, tmp_path: Path) -> None:
    for folder in ("blurbg_04mask", "masked_divers_all_masks"):
        (tmp_path / folder).mkdir()
    plan = planned(data, tmp_path, masks=None, published=str(tmp_path))
    assert [each.part for each in plan.tasks[0].evaluations][2:] == ["control/test", "s1/test", "t/test"]


def test_videos_that_are_left_out_are_no_validation_clips(data: Storage, tmp_path: Path) -> None:
    manifest = require_manifest(data)
    whole = planned(data, tmp_path).tasks[0].counts
    (gone, *_) = manifest["val"]["authors"]
    train = manifest["splits"]["train"]
    manifest["splits"]["train"] = {**train, "clips": train["clips"] - 1, "left_out": {gone: "was not there"}}
    root = Storage.at(tmp_path / "data")
    root.write_json(MANIFEST, manifest)
    counts = planned(root, tmp_path, masks=f"{data.root}/masks/{MASKS}").tasks[0].counts
    assert (counts.train, counts.val) == (whole.train, whole.val - 1)


def test_masks_of_other_clips_are_refused(data: Storage, tmp_path: Path) -> None:
    """Hidden files beside masks change nothing; those of clips that have changed would edit wrong places."""
    masks = Storage.at(shutil.copytree(f"{data.root}/masks", tmp_path / "masks"))
    before = ids(planned(data, tmp_path, masks=masks.root))
    masks.write_bytes("._masks.parquet", b"of macOS")
    assert ids(planned(data, tmp_path, masks=masks.root)) == before
    (shard, content), *_ = shard_contents(require_manifest(data), ["test"]).items()
    write_masks(masks, "more.parquet", [], made_of=(shard, content))
    assert ids(planned(data, tmp_path, masks=masks.root)) != before
    write_masks(masks, "more.parquet", [], made_of=(shard, "of an older video"))
    with pytest.raises(BadInput, match=rf"masks .*more\.parquet were made of other clips than {shard} has now"):
        planned(data, tmp_path, masks=masks.root)


def test_the_studys_own_seed_is_easy_to_ask_for_and_the_demo_has_no_other() -> None:
    assert Diving48().narrowed(PRESETS["paper"], {"seeds": [42]}).seeds == (42,)
    assert (PRESETS["paper"].seeds, PRESETS["demo"].seeds) == ((42, 61, 47), (42,))


def test_a_part_of_the_grid(data: Storage, tmp_path: Path) -> None:
    study = Diving48()
    narrowed = study.narrowed(DivingGrid(recipe=GRID.recipe), {"experiment": ["c"], "seeds": [7, 7]})
    plan = planned(data, tmp_path, narrowed)
    assert [task.training.name for task in plan.tasks] == [
        "convlstm-4x128 original seed=7", "cnn3d-4x128 original seed=7", "timesformer-85m original seed=7",
    ]  # fmt: skip
    assert [(trial.experiment, trial.training.model, trial.training.seed) for trial in plan.trials] == [
        ("c", "convlstm", 7), ("c", "cnn3d", 7), ("c", "timesformer", 7),
    ]  # fmt: skip
    with pytest.raises(BadInput, match="unknown experiment 'z'; valid: a, b, c, d, e, f, g, h"):
        study.narrowed(DivingGrid(), {"experiment": ["z"]})


def test_variants_of_validation_and_encoding_are_options() -> None:
    options = {option.name: option for option in Diving48().all_options}
    assert options["codec"].parse("yes,no") == ["yes", "no"]
    asked = {"validation": "grouped", "flip_validation": "no", "codec": ["yes", "no"]}
    grid = Diving48().narrowed(DivingGrid(), asked)
    assert (grid.validation, grid.flip_validation, grid.codecs) == ("grouped", False, (True, False))
    assert Diving48().values(DivingGrid()) == {"validation": "authors", "flip_validation": "yes"}  # as the study has it
    assert Diving48().every_variant == {
        "validation": ("authors", "grouped"), "flip_validation": ("yes", "no"), "codec": ("yes", "no"),
    }  # fmt: skip


def asking(data: Storage, storage: Path, only: str = "", **asked: Any) -> Plan:
    """The plan of one training's two levels, with variants."""
    study = Diving48(presets={"tiny": replace(GRID, masks=f"{data.root}/masks/{MASKS}")}, default_preset="tiny")
    filter_ = Only.parse(only, tuple(study.every_variant)) if only else None
    return make_plan(study, "tiny", str(storage), data.root, {"experiment": ["a", "b"], **asked}, filter_)


def test_how_validation_clips_are_made_makes_other_trainings(data: Storage, tmp_path: Path) -> None:
    both = asking(data, tmp_path, flip_validation=["yes", "no"])
    assert [task.training.about for task in both.tasks] == [
        {"recipe": "flip_validation=yes"}, {"recipe": "flip_validation=no", "flip_validation": "no"},
    ]  # fmt: skip
    assert both.trial_ids[:2] == asking(data, tmp_path).trial_ids
    assert len(set(both.trial_ids)) == 4
    assert [cast(DivingSubject, task.subject).flip_validation for task in both.tasks] == [True, False]
    assert {part.data.root for part in both.parts} == {data.root}, "the same shards serve all of them"
    cut = asking(data, tmp_path, validation=["authors", "grouped"]).tasks
    assert len({task.subject.key("original/val") for task in cut}) == 2, "of which each has other validation clips"
    one = asking(data, tmp_path, "flip_validation=no", flip_validation=["yes", "no"])
    assert one.trial_ids == both.trial_ids[2:]


def test_two_ways_to_cut_the_list_are_two_trainings_unless_they_come_to_the_same_clips(
    data: Storage, tmp_path: Path
) -> None:
    both = asking(data, tmp_path, validation=["authors", "grouped"])
    assert [task.training.about.get("validation") for task in both.tasks] == [None, "grouped"]
    assert len(set(both.trial_ids)) == 4
    root, other = data.read_json(MANIFEST), Storage.at(tmp_path / "data")
    other.write_json(MANIFEST, {**root, "val": dict.fromkeys(root["val"], root["val"]["authors"])})
    same = make_plan(both.study, "tiny", str(tmp_path), other.root, both.asked)
    assert same.trial_ids == both.trial_ids[:2], "the id is of the clips, not of the name"


def test_the_demo_says_that_it_cuts_the_list_in_another_way(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path, validation="grouped")
    assert {task.training.about["validation"] for task in plan.tasks} == {"grouped"}
    assert Diving48().values(PRESETS["demo"])["validation"] == "grouped"


def test_a_codec_is_another_trial_of_the_same_training(data: Storage, tmp_path: Path) -> None:
    plain, both = asking(data, tmp_path), asking(data, tmp_path, codec=["yes", "no"])
    assert [task.training_id for task in both.tasks] == [task.training_id for task in plain.tasks]
    assert both.trial_ids[:2] == plain.trial_ids
    assert [(trial.experiment, trial.variant) for trial in both.trials] == [
        ("a", ""), ("b", ""), ("a", "codec=no"), ("b", "codec=no"),
    ]  # fmt: skip
    (task,) = both.tasks
    assert [each.part for each in task.evaluations] == [
        "original/val", "original/test", "control/test", "s1/test", "t/test",
        "control codec=no/test", "s1 codec=no/test", "t codec=no/test",
    ]  # fmt: skip
    assert [each.part for each in task.evaluations_of(both.trials[2])] == [
        "original/val", "original/test", "control codec=no/test", "s1 codec=no/test", "t codec=no/test",
    ]  # fmt: skip
    assert (plain.tasks[0].clips_asked, task.clips_asked) == (2 * 20, 2 * (4 + 4 + 6 * 4))
    frames = cast(DivingSubject, task.subject).frames
    codecs = {part: made.codec for part, made in frames.items() if isinstance(made, Rendered)}
    assert codecs == {
        "control/test": True, "s1/test": True, "t/test": True,
        "control codec=no/test": False, "s1 codec=no/test": False, "t codec=no/test": False,
    }  # fmt: skip
    for folder in ("blurbg_04mask", "masked_divers_all_masks"):
        (tmp_path / folder).mkdir()
    published = asking(data, tmp_path, codec=["yes", "no"], published=str(tmp_path))
    frames = cast(DivingSubject, published.tasks[0].subject).frames
    assert [type(frames[part]) for part in ("s1/test", "s1 codec=no/test")] == [Published, Rendered]
    alone = asking(data, tmp_path, "codec=no,experiment=a", codec=["yes", "no"])
    assert [trial.name for trial in alone.trials] == ["a small original seed=42 codec=no"]
    with pytest.raises(BadInput, match="unknown codec 'maybe'; valid: yes, no"):
        asking(data, tmp_path, codec=["maybe"])


@pytest.mark.slow
def test_a_codec_that_is_asked_for_later_only_evaluates(data: Storage, tmp_path: Path) -> None:
    first, both = (asking(data, tmp_path, "experiment=a", codec=codec) for codec in (["yes"], ["yes", "no"]))
    ran(first)
    (task,) = both.tasks
    folder = both.ledger.folder(task.training_id)
    files = {name: folder.read_bytes(name) for name in ("epochs.parquet", "best.ckpt")}
    assert [entry.outstanding for entry in both.entries().values()] == [3]
    ran(both)
    assert {name: folder.read_bytes(name) for name in files} == files
    tables = load(both.ledger.storage.root, both.tasks)
    assert tables.trials[["codec", "recipe", "state"]].to_numpy().tolist() == [
        ["yes", "codec yes", "done"], ["no", "codec no", "done"],
    ]  # fmt: skip
    assert tables.trials["flip_validation"].tolist() == ["yes", "yes"]
    edited = tables.evaluations.query("role == 'target'")
    assert edited.groupby("codec")["target"].agg(list).to_dict() == {
        "no": ["control", "s1", "t"], "yes": ["control", "s1", "t"],
    }  # fmt: skip
    shared = tables.evaluations.query("role != 'target'")
    assert shared.groupby(["target", "split"])["top1"].nunique().to_dict() == {
        ("original", "test"): 1, ("original", "val"): 1,
    }  # fmt: skip
    assert len(tables.predictions) == 2 * 20
    pd.testing.assert_frame_equal(load(both.ledger.storage.root).evaluations, tables.evaluations)
    assert not any(" start " in line for line in ran(both))


def test_other_masks_domains_and_levels_are_other_evaluations_of_the_same_trainings(
    data: Storage, tmp_path: Path
) -> None:
    trainings, evaluations = ids(planned(data, tmp_path))
    others = [
        planned(data, tmp_path, codecs=(False,)),
        planned(data, tmp_path, domains=(*GRID.domains, "s2")),
        planned(data, tmp_path, experiments={**GRID.experiments, "b": replace(B, top1=0.98)}),
    ]
    assert [ids(other)[0] for other in others] == [trainings] * 3
    assert len(set(ids(others[0])[1]) & set(evaluations)) == 2 * 2  # validation, and the original test clips
    assert set(evaluations) < set(ids(others[1])[1])
    stopped = replace(GRID.recipe, stop_at=0.9)
    moved = [
        planned(data, tmp_path, flip_validation=False),
        planned(data, tmp_path, validation="authors"),
        planned(data, tmp_path, recipe=stopped),
    ]
    assert [ids(other)[0] == trainings for other in moved] == [False, True, False]


def test_other_pixels_of_the_same_domain_are_another_evaluation(
    data: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is rendered; the authors' own videos, and clips that nobody edits, are what they were."""
    for folder in ("blurbg_04mask", "masked_divers_all_masks"):
        (tmp_path / folder).mkdir()
    plans = [planned(data, tmp_path), planned(data, tmp_path, published=str(tmp_path))]
    monkeypatch.setattr("rac_ray.studies.diving48.study.RENDERING", RENDERING + 1)
    later = [planned(data, tmp_path), planned(data, tmp_path, published=str(tmp_path))]
    assert [ids(plan)[0] for plan in later] == [ids(plan)[0] for plan in plans]
    contents = [{e.part: e.content for task in plan.tasks for e in task.evaluations} for plan in (*plans, *later)]
    pairs = zip(contents[:2], contents[2:], strict=True)
    moved = [[part for part in old if old[part] != new[part]] for old, new in pairs]
    assert moved == [["control/test", "s1/test", "t/test"], ["control/test"]]


def test_bad_input_is_named(data: Storage, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="domain 's1' needs masks, or the folder of the published videos"):
        planned(data, tmp_path, masks=None)
    with pytest.raises(BadInput, match=r"no published videos of domain 's1': '.*/blurbg_04mask' is no folder"):
        planned(data, tmp_path, published=str(tmp_path))
    with pytest.raises(BadInput, match="unknown validation split 'mine'; valid: authors, grouped"):
        planned(data, tmp_path, validation="mine")


def test_clips_of_another_dataset_are_named(tmp_path: Path) -> None:
    data = Storage.at(tmp_path / "data")
    data.write_json(MANIFEST, {"identity": {}, "splits": {}})
    with pytest.raises(BadInput, match=r"data' has no clips of Diving48; choose another with --data"):
        planned(data, tmp_path)


def test_without_a_probe_the_price_is_counted(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path)
    counts = plan.tasks[0].counts
    assert (counts.train, counts.val, counts.of(plan.tasks[0].evaluations)) == (36, 4, 4 + 4 * 4)
    price = price_plan(plan, Resources())
    assert price.forecast
    assert price.lines()[0] == (
        "2 trials are missing; expected [95% interval] on 2 CPUs (steps assumed, not measured):"
    )
    assert price.peaks == {}
    notes = plan.study.notes(plan.parts[0].grid, plan.tasks)
    assert [note.partition(":")[0] for note in notes] == ["small", "smaller"]
    assert "* 10^12 operations per clip forward" in notes[0]


def test_a_part_has_the_trials_of_the_whole(data: Storage, tmp_path: Path) -> None:
    whole, part = planned(data, tmp_path), planned(data, tmp_path, only=("b",))
    assert [task.training_id for task in part.tasks] == [whole.tasks[0].training_id]
    assert part.trials == whole.trials[1:2]
    other = planned(data, tmp_path, experiments={**GRID.experiments, "b": replace(B, top1=0.98)})
    changed = [one.trial_id != two.trial_id for one, two in zip(whole.trials, other.trials, strict=True)]
    assert changed == [False, True, False]


def ran(plan: Plan, **settings: Any) -> list[str]:
    """What a run said."""
    lines = list[str]()
    assert run_plan(plan, Resources(pause=0.1, **settings), lines.append) == ""
    return lines


def test_one_training_serves_experiments_and_what_is_asked_later_is_only_evaluated(
    data: Storage, tmp_path: Path
) -> None:
    first, plan = (planned(data, tmp_path, only=only) for only in (("a",), ("a", "b")))
    lines = ran(first, verbose=True)
    (task,) = first.tasks
    start = lines.index(f"{task.training_id} start  small original seed=42")
    assert [line.split(": ")[1][0] for line in lines if line.startswith(f"{task.training_id} epoch")] == ["1", "2"]
    assert lines[-2].startswith("1 trial planned = 1 done + 0 failed + 0 running + 0 pending; ")
    assert start < len(lines) - 2
    tables = load(plan.ledger.storage.root)
    done = tables.trials.query("experiment == 'a'").iloc[0]
    assert (done["classes"], done["model"], done["source"], done["size"]) == (48, "timesformer", "original", "small")
    asked = tables.evaluations.query("experiment == 'a'")[["target", "split", "role"]]
    assert asked.to_numpy().tolist() == [
        ["original", "val", "source_val"],
        ["original", "test", "source_test"],
        ["control", "test", "target"],
        ["s1", "test", "target"],
        ["t", "test", "target"],
    ]
    model = load_model(done["trial_id"], plan.ledger.storage.root)
    with torch.inference_mode():
        assert model(torch.zeros(1, 32, 3, 224, 224)).shape == (1, 48)
    epochs = plan.ledger.folder(task.training_id).read_bytes("epochs.parquet")
    entries = plan.entries()
    assert list(plan.states(entries, None).values()) == ["done", "unreached"]
    assert not any(" start " in line for line in ran(plan))
    assert load(plan.ledger.storage.root).trials["state"].tolist() == ["done", "unreached"]
    reason = entries[task.training_id].reason_of(plan.trials[1], None)
    assert reason.startswith("never reached a validation top-1 of 0.99: 0.")
    more = planned(data, tmp_path, only=("a", "b"), domains=(*GRID.domains, "s2"))
    assert list(more.states(more.entries(), None).values()) == ["pending", "pending"]
    ran(more)
    found = load(plan.ledger.storage.root, more.tasks).evaluations
    assert set(found["target"]) == {"original", "control", "s1", "s2", "t"}
    assert set(found["experiment"]) == {"a"}
    assert plan.ledger.folder(task.training_id).read_bytes("epochs.parquet") == epochs
    assert not any(" start " in line for line in ran(more))
    retried = replace(more, retry_failed=True)
    assert not any(" start " in line for line in ran(retried))


@pytest.mark.slow
def test_a_training_that_raises_fails_its_trials_and_the_others_go_on(data: Storage, tmp_path: Path) -> None:
    good = planned(data, tmp_path)
    subject: Any = good.tasks[0].subject
    broken = replace(good.tasks[0], subject=replace(subject, build=Broken(subject.build)))
    plan = replace(good, tasks=(broken, *good.tasks[1:]))
    lines = ran(plan, budgets=Budgets(code=1))
    states = plan.states(plan.entries(), None)
    assert [states[trial.trial_id] for trial in plan.trials] == ["failed", "failed", "done"]
    assert any("; given up (traceback: " in line for line in lines)
    failures = plan.ledger.failures(broken.training_id)
    assert [(each["attempt"], each["class"], each["retry"]) for each in failures] == [
        (1, "code", True), (2, "code", False),
    ]  # fmt: skip
    assert "this model cannot be trained" in failures[0]["reason"]
    assert not any(" start " in line for line in ran(plan))
    ran(replace(plan, retry_failed=True), budgets=Budgets(code=0))
    assert len(plan.ledger.failures(broken.training_id)) == 3


@dataclass(frozen=True)
class Broken:
    """Builds a model on the meta device only."""

    build: Any

    def __call__(self) -> nn.Module:
        if torch.empty(0).device.type != "meta":
            raise RuntimeError("this model cannot be trained")
        return self.build()


@pytest.mark.slow
def test_a_killed_worker_is_another_attempt_and_changes_no_prediction(data: Storage, tmp_path: Path) -> None:
    recipe = replace(GRID.recipe, max_epochs=6, patience=6)
    plan, quiet = (planned(data, tmp_path / name, only=("a",), recipe=recipe) for name in ("killed", "quiet"))
    (task,) = plan.tasks
    killed = threading.Event()

    def kill() -> None:
        """The worker that says in its log where it runs, after an epoch."""
        log = plan.ledger.folder(task.training_id)
        while not killed.is_set():
            text = log.read_bytes("log.txt").decode() if log.exists("log.txt") else ""
            if "epoch 1" in text and log.exists("last.ckpt"):
                os.kill(int(re.findall(r"process (\d+)", text)[0]), signal.SIGKILL)
                killed.set()
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    lines = ran(plan)
    killed.set()
    killer.join()
    ran(quiet)
    assert any("preempted" in line and "again in" in line for line in lines), lines
    record, undisturbed = (each.ledger.record(task.training_id) for each in (plan, quiet))
    assert record
    assert undisturbed
    assert (record.attempt, undisturbed.attempt) == (2, 1)
    assert record.evaluations == undisturbed.evaluations
    timed = ["seconds", "loader_wait_share"]
    epochs = [each.ledger.table(task.training_id, "epochs").drop_columns(timed) for each in (plan, quiet)]
    assert epochs[0] == epochs[1]
    tables = [each.ledger.table(task.training_id, "predictions") for each in (plan, quiet)]
    assert tables[0] == tables[1]
