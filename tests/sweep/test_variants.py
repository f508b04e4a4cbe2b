"""A study's variants as axes: one grid for each combination, whose trials are told apart and never averaged over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rac_ray import Resources, Where, Which, api
from rac_ray.data.dataset import Say
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe, Training, Trial
from rac_ray.results import load
from rac_ray.store.storage import Storage
from rac_ray.studies.study import Study
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.studies.temporal_shape.spec import SPECS, TemporalShapeSpec
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.only import Only
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.remembered import last_options, remember_options
from rac_ray.sweep.search import Candidate
from rac_ray.training.task import Task
from tests.records import finish, task_of
from tests.sweep import faults
from tests.sweep.running import run
from tests.sweep.tiny_sweep import GRID, plan_of

STORED = {"feed": "stored"}
STUDY = TemporalShape("tiny", {"all": replace(GRID, seeds=(0,))}, "all")


def plan(folder: Path, only: str = "", **asked: Any) -> Plan:
    filter_ = Only.parse(only, tuple(STUDY.every_variant)) if only else None
    return make_plan(STUDY, "all", str(folder / "results"), str(folder / "data"), asked, filter_, "32")


def test_each_value_is_a_grid_of_its_own(tmp_path: Path) -> None:
    both = plan(tmp_path, spec=["released", "paper", "released"])
    assert [part.grid.spec for part in both.parts] == [SPECS["released"], SPECS["paper"]]
    assert [part.data.root for part in both.parts] == [f"{tmp_path}/data", f"{tmp_path}/data/spec-paper"]
    assert [trial.name for trial in both.trials] == [
        "timesformer1 h=2 2dot spec=released seed=0",
        "timesformer1 h=2 2dot spec=paper seed=0",
    ]
    released, paper = (task.training for task in both.tasks)
    assert (released.variants, paper.variants) == ({"spec": "released", **STORED}, {"spec": "paper", **STORED})
    assert (released.about, paper.about) == ({"recipe": "spec=released"}, {"recipe": "spec=paper", "spec": "paper"})
    assert (released.clips_key, paper.clips_key) == ("2dot feed=stored spec=released", "2dot feed=stored spec=paper")
    assert both.part_of(paper) == both.parts[1]
    assert released.data != paper.data


def test_the_studys_own_value_moves_no_id(tmp_path: Path) -> None:
    plain = plan(tmp_path)
    (training,) = (task.training for task in plain.tasks)
    assert plan(tmp_path, spec=["released"]).trial_ids == plain.trial_ids
    assert plan(tmp_path, spec=["released", "paper"]).trial_ids[0] == plain.trial_ids[0]
    assert (training.variants, training.about) == ({"spec": "released", **STORED}, {})
    assert training.training_id == replace(training, variants={}).training_id


def test_a_preset_says_what_it_has_of_its_own(tmp_path: Path) -> None:
    grids = {"paper": SPECS["paper"], "own": TemporalShapeSpec(labels="balanced")}
    made = {name: plan_of(replace(GRID, spec=spec), tmp_path, tmp_path / "data") for name, spec in grids.items()}
    said = {name: each.tasks[0].training.about for name, each in made.items()}
    assert said == {"paper": {"spec": "paper"}, "own": {"spec": "own"}}
    folders = {name: each.parts[0].data.root for name, each in made.items()}
    assert folders == {"paper": f"{tmp_path}/data/spec-paper", "own": f"{tmp_path}/data"}


def test_variants_and_recipes_multiply_and_only_filters_them(tmp_path: Path) -> None:
    asked = {"spec": ["released", "paper"], "learning_rate": [0.001, 0.003]}
    assert [trial.name for trial in plan(tmp_path, **asked).trials] == [
        f"timesformer1 h=2 2dot spec={spec} learning_rate={rate} seed=0"
        for spec in ("released", "paper")
        for rate in (0.001, 0.003)
    ]
    some = plan(tmp_path, "spec=paper,learning_rate<0.002", **asked)
    assert [trial.name for trial in some.trials] == ["timesformer1 h=2 2dot spec=paper learning_rate=0.001 seed=0"]
    assert [part.grid.spec for part in some.parts] == [SPECS["paper"]]


def test_each_grid_has_searches_of_its_own(tmp_path: Path) -> None:
    """Trials with a recipe that was chosen are asked about the clips that are edited in their way."""
    tuned = plan(tmp_path, spec=["released", "paper"], tune=["learning_rate=log(1e-4,1e-1)"])
    assert [search.name for search in tuned.searches] == [
        "timesformer1 h=2 2dot spec=released",
        "timesformer1 h=2 2dot spec=paper",
    ]
    candidates = [search.candidates()[0].training for search in tuned.searches]
    assert [tuned.part_of(each).grid.spec for each in candidates] == [SPECS["released"], SPECS["paper"]]
    (search,) = heard(tmp_path, volume=["2"], tune=["learning_rate=log(1e-4,1e-1)"]).searches
    best = Candidate(training_id="", changes={"learning_rate": 0.01}, state="done", val_top1=[0.5])
    task = search.tuned(search.task, best)
    assert [trial.variant for trial in task.trials] == ["volume=2; tuned learning_rate x16"]
    assert [each.variant for each in task.evaluations_of(task.trials[0])] == ["", "", "volume=2"]


@pytest.mark.parametrize(
    ("asked", "only", "message"),
    [
        ({"spec": ["papers"]}, "", "unknown spec 'papers'; did you mean paper? valid: released, paper"),
        ({"spec": []}, "", "--spec names nothing; give one value or more"),
        ({"spec": "paper"}, "", "spec is 'paper'; valid: a list of released, paper"),
        ({}, "spec=paper", "--only 'spec=paper' leaves none of 1 planned trial; they have spec released"),
        ({}, "spec<paper", "--only compares spec with '<'; valid: = and !="),
        ({}, "codec=no", "unknown field in --only 'codec'; valid: model, source, trial_id, state, experiment, size, "
                         "variant, precision, optimiser, schedule, normalisation, spec, feed, hidden_units, "),
    ],
)  # fmt: skip
def test_bad_values_are_told_in_one_sentence(asked: dict[str, Any], only: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        plan(tmp_path, only, **asked)
    assert str(error.value).startswith(message)


def test_verbs_that_run_nothing_know_the_variants_of_the_last_run(tmp_path: Path) -> None:
    ran = plan(tmp_path, spec=["released", "paper"], seeds=[0])
    remember_options(ran, ran.asked)
    last = last_options(STUDY, "all", str(tmp_path / "results"))
    assert last == {"spec": ["released", "paper"], "precision": "32"}


class Providing(TemporalShape):
    """Writes down of which grids it was to make the data."""

    def __init__(self, provided: list[str]) -> None:
        super().__init__(STUDY.name, STUDY.presets, STUDY.default_preset)
        object.__setattr__(self, "provided", provided)

    def provides(self, grid: Grid) -> bool:
        return True

    def provide(self, grid: Grid, data: Storage, say: Say) -> None:
        vars(self)["provided"].append(f"{self.values(grid)['spec']} {data.root}")


@pytest.mark.usefixtures("local_ray")
def test_two_specs_run_side_by_side_and_are_never_averaged(tmp_path: Path) -> None:
    where = Where(str(tmp_path / "results"), str(tmp_path / "data"))
    first = plan(tmp_path)
    run(first)
    manifest = Path(tmp_path, "data/manifest.json").read_bytes()
    specs: dict[str, Any] = {"spec": ["released", "paper"]}
    both, lines, provided = plan(tmp_path, **specs), list[str](), list[str]()
    api.run(Providing(provided), where=where, resources=Resources(pause=0.1), say=lines.append, **specs)
    assert provided == [f"released {tmp_path}/data", f"paper {tmp_path}/data/spec-paper"]
    assert [line.split("start  ")[1] for line in lines if " start " in line] == [both.trials[1].name]
    assert Path(tmp_path, "data/manifest.json").read_bytes() == manifest
    released, paper = (both.ledger.record(task.training_id) for task in both.tasks)
    assert released
    assert paper
    assert set(released.content) == set(paper.content)
    assert all(released.content[part] != paper.content[part] for part in paper.content)
    assert paper.dataset
    assert paper.dataset["spec"] == SPECS["paper"].as_dict()
    shown = api.results(STUDY, where=where)
    assert shown.counts["done"] == 2, "what was asked is remembered"
    tables = shown.analysis.tables
    assert tables.trials[["spec", "recipe"]].to_numpy().tolist() == [
        ["released", "spec released"], ["paper", "spec paper"],
    ]  # fmt: skip
    assert tables.evaluations["spec"].value_counts().to_dict() == {"released": 6, "paper": 6}
    assert list(shown.analysis.by_recipe) == ["spec released", "spec paper"]
    (accuracy,) = [sheet for sheet in shown.analysis.sheets if sheet.name == "figure3-2dot"]
    assert set(accuracy.long["recipe"]) == {"spec released", "spec paper"}
    assert set(accuracy.long["trials"]) == {1}
    assert load(both.ledger.storage.root).trials["spec"].tolist() == ["released", "paper"], "records say it themselves"
    assert not any(" start " in line for line in run(both, faults.trains_nothing))
    only = api.status(STUDY, where=where, which=Which(only="spec=paper"))
    assert [(trial.name, trial.state) for trial in only.trials] == [(both.trials[1].name, "done")]
    told = api.plan(STUDY, where=where, resources=Resources(num_cpus=2), spec=["paper"])
    assert (told.about, told.trainings) == ({"spec": "paper"}, (0, 1))


@pytest.mark.usefixtures("local_ray")
def test_seven_shapes_train_models_of_seven_classes_and_are_asked_about_factors(tmp_path: Path) -> None:
    made = plan(tmp_path, spec=["seven"], factors="reversed")
    run(made)
    (task,) = made.tasks
    record = made.ledger.record(task.training_id)
    assert record
    assert (record.classes, record.variants["spec"], made.parts[0].data.root) == (
        7,
        "seven",
        f"{tmp_path}/data/spec-seven",
    )
    assert record.dataset
    assert record.dataset["spec"] == {**SPECS["released"].as_dict(), "shapes": 7}
    predictions = made.ledger.table(task.training_id, "predictions").to_pandas()
    assert {len(logits) for logits in predictions["logits"]} == {7}
    assert "2dot_reversed" in set(predictions["target"])
    assert STUDY.built(record)(torch.zeros(1, 20, 1, 64, 64)).shape == (1, 7)
    subject, _ = STUDY.again(record)
    assert (subject.num_classes, subject.build()(torch.zeros(1, 20, 1, 64, 64)).shape) == (7, (1, 7))


@dataclass(frozen=True)
class Numbers:
    """A grid of a study from outside."""

    sound: str = "off"
    volumes: tuple[str, ...] = ("1",)


class Heard(Study):
    """Trains with sound or without, and is asked about clips of several volumes."""

    name = "heard"
    presets: Mapping[str, Any] = {"all": Numbers(), "loud": Numbers(sound="on")}
    default_preset = "all"
    variants: Mapping[str, Sequence[str]] = {"sound": ("off", "on")}
    edits: Mapping[str, Sequence[str]] = {"volume": ("1", "2")}

    def narrowed(self, grid: Numbers, asked: Mapping[str, Any]) -> Numbers:
        return Numbers(asked.get("sound") or grid.sound, tuple(asked.get("volume") or grid.volumes))

    def values(self, grid: Numbers) -> Mapping[str, str]:
        return {"sound": grid.sound}

    def tasks(self, grid: Numbers, data: Storage, precision: str) -> list[Task]:
        task = task_of(Training("cnn3d", 2, "2dot", 0, Recipe(precision="32"), f"clips with sound {grid.sound}"))
        variants = {volume: "" if volume == "1" else f"volume={volume}" for volume in grid.volumes}
        *source, target = task.evaluations
        targets = [replace(target, variant=variant, content=volume) for volume, variant in variants.items()]
        counts = replace(task.counts, evaluated={each.part: 100 for each in (*source, *targets)})
        trials = tuple(Trial(task.training, variant=variant) for variant in variants.values())
        return [replace(task, evaluations=(*source, *targets), counts=counts, trials=trials)]

    def prepare(self, grid: Any, data: Storage, tasks: Sequence[Task], say: Say) -> None:
        """Nothing."""


def heard(folder: Path, preset: str = "all", **asked: Any) -> Plan:
    return make_plan(Heard(), preset, str(folder), str(folder / "data"), asked, precision="32")


def test_a_study_from_outside_has_variants_as_options_and_columns(tmp_path: Path) -> None:
    assert [(option.name, option.help) for option in Heard().all_options[:2]] == [
        ("sound", "sound: off or on; several are an axis"),
        ("volume", "volume: 1 or 2; several are an axis"),
    ]
    both = heard(tmp_path, sound=["off", "on"], volume=["1", "2"])
    assert [trial.name for trial in both.trials] == [
        "cnn3d h=2 2dot sound=off seed=0", "cnn3d h=2 2dot sound=off seed=0 volume=2",
        "cnn3d h=2 2dot sound=on seed=0", "cnn3d h=2 2dot sound=on seed=0 volume=2",
    ]  # fmt: skip
    assert len(both.tasks) == 2
    assert both.tasks[0].training.variants == {"sound": "off", "volume": "1"}
    assert [task.training.about.get("sound") for task in both.tasks] == [None, "on"]
    assert heard(tmp_path, "loud").tasks[0].training.about == {"sound": "on"}
    for task in both.tasks:
        finish(both.ledger, task, study="heard", top1={"mnist/test": 0.4, "mnist volume=2/test": 0.2})
    tables = load(both.ledger.storage.root)
    assert set(zip(tables.trials["sound"], tables.trials["volume"], tables.trials["recipe"], strict=True)) == {
        ("off", "1", "sound off, volume 1"), ("off", "2", "sound off, volume 2"),
        ("on", "1", "sound on, volume 1"), ("on", "2", "sound on, volume 2"),
    }  # fmt: skip
    targets = tables.evaluations.query("role == 'target'")
    assert targets[["volume", "top1"]].drop_duplicates().to_numpy().tolist() == [["1", 0.4], ["2", 0.2]]
    assert len(tables.evaluations) == 4 * 3


def test_what_only_evaluations_differ_in_is_asked_of_the_same_training(tmp_path: Path) -> None:
    one, two = heard(tmp_path), heard(tmp_path, volume=["1", "2"])
    assert [task.training_id for task in one.tasks] == [task.training_id for task in two.tasks]
    assert two.trial_ids[0] == one.trial_ids[0]
    finish(one.ledger, one.tasks[0])
    (entry,) = two.entries().values()
    assert (entry.outstanding, entry.reason(None)) == (1, "trained; 1 evaluation is missing")
    assert (one.tasks[0].clips_asked, two.tasks[0].clips_asked) == (300, 400)
    alone = heard(tmp_path, volume=["2"])
    assert [each.part for each in alone.tasks[0].evaluations_of(alone.trials[0])] == [
        "2dot/val", "2dot/test", "mnist volume=2/test",
    ]  # fmt: skip
