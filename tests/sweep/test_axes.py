"""A recipe's fields as axes of any study: no study has to do anything for it."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.identity import Recipe, Training
from rac_ray.models import MODELS, register
from rac_ray.models.shapes import weights_digest
from rac_ray.sweep.axes import RECIPE_OPTIONS
from rac_ray.sweep.only import Only
from rac_ray.sweep.planner import Plan, parameters_of
from rac_ray.sweep.remembered import last_options, remember_options
from tests.sweep.tiny_sweep import GRID, QUICK, plan_of


def plan(folder: Path, only: str = "", **asked: Any) -> Plan:
    return plan_of(GRID, folder / "results", folder / "data", asked=asked, only=Only.parse(only) if only else None)


def test_every_field_of_a_recipe_is_an_option() -> None:
    """Precision has one of its own, because ``auto`` depends on the machine."""
    names = {each.name for each in fields(Recipe)} - {"precision"}
    assert {option.name for option in RECIPE_OPTIONS} == names


def test_lists_are_axes_and_names_tell_the_trials_apart(tmp_path: Path) -> None:
    few = plan(tmp_path, learning_rate=[0.001, 0.003], optimiser=["adamw"], seeds=[0])
    assert [(task.training.recipe.learning_rate, task.training.recipe.optimiser) for task in few.tasks] == [
        (0.001, "adamw"),
        (0.003, "adamw"),
    ]
    assert [trial.name for trial in few.trials] == [
        "timesformer1 h=2 2dot learning_rate=0.001 seed=0",
        "timesformer1 h=2 2dot learning_rate=0.003 seed=0",
    ]
    assert len(set(few.trial_ids)) == 2


def test_a_value_that_is_the_presets_moves_no_id(tmp_path: Path) -> None:
    recipe = GRID.recipes["timesformer1"]
    assert plan(tmp_path, learning_rate=[recipe.learning_rate]).trial_ids == plan(tmp_path).trial_ids
    assert plan(tmp_path, batch_size=[8, 8]).trial_ids == plan(tmp_path).trial_ids


def test_more_trainings_than_anybody_runs_are_refused_before_they_are_counted_out(tmp_path: Path) -> None:
    rates, decays = ([number / 1000 for number in range(1, 1001)] for _ in range(2))
    said = "^the recipe's options ask for 3000000 trainings; valid: at most 100000$"
    with pytest.raises(BadInput, match=said):
        plan(tmp_path, learning_rate=rates, weight_decay=decays)


def test_axes_multiply_and_only_filters_them(tmp_path: Path) -> None:
    assert len(plan(tmp_path, weight_decay=[0.0, 0.1], schedule=["constant", "cosine"]).trials) == 3 * 4
    some = plan(tmp_path, "weight_decay>0,schedule=cosine", weight_decay=[0.0, 0.1], schedule=["constant", "cosine"])
    assert len(some.trials) == 3
    assert {task.training.recipe.weight_decay for task in some.tasks} == {0.1}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"learning_rate": []}, "--learning-rate names nothing; give one value or more"),
        ({"learning_rate": [-1.0]}, r"learning_rate is -1.0; valid: above 0"),
        ({"batch_size": [17]}, "16 training clips do not fill one batch of 17"),
        ({"normalisation": ["layer"]}, "model 'timesformer1' has no choice of normalisation, but --normalisation asks"),
        (
            {"learning_rates": [1.0]},
            "unknown option 'learning_rates'; did you mean learning_rate[?] valid: source, models, ",
        ),
    ],
)
def test_bad_axes_are_told_before_anything_runs(asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        plan(tmp_path, **asked)


def test_a_model_is_built_with_its_recipes_normalisation(tmp_path: Path) -> None:
    few = plan(tmp_path, models=["cnn3d"], seeds=[0], normalisation=["batch", "layer"])
    batch, layer = (task.subject.build() for task in few.tasks)
    assert {type(m).__name__ for m in layer.modules()} - {type(m).__name__ for m in batch.modules()} == {"FrameNorm"}
    assert parameters_of(few.tasks[0].subject.build) == parameters_of(few.tasks[1].subject.build)


def test_a_presets_own_normalisation_counts_as_well(tmp_path: Path) -> None:
    grid = replace(GRID, models=("cnn3d",), seeds=(0,), recipes={"cnn3d": replace(QUICK, normalisation="layer")})
    (task,) = plan_of(grid, tmp_path / "results", tmp_path / "data").tasks
    assert "FrameNorm" in {type(module).__name__ for module in task.subject.build().modules()}


def test_a_model_of_ones_own_may_have_a_choice_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rac_ray import models

    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    seen: list[str] = []

    @register("mine")
    def mine(hidden_units: int, *, normalisation: str = "batch", **shape: int) -> Any:
        seen.append(normalisation)
        return models.MODELS["cnn3d"](hidden_units, normalisation=normalisation, **shape)

    (task,) = plan(tmp_path, models=["mine"], seeds=[0], normalisation=["layer"], batch_size=[8]).tasks
    seen.clear()
    task.subject.build()
    assert seen == ["layer"]


def test_a_model_of_ones_own_is_known_by_the_shapes_of_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change under its name; models of the package, whose names stand for what they are, have no such digest."""
    from rac_ray import models

    def planned_with(width: int) -> Training:
        monkeypatch.setattr(models, "MODELS", dict(MODELS))
        register("wide")(lambda hidden, **_shape: torch.nn.Linear(width, hidden))
        weights_digest.cache_clear()
        return plan(tmp_path, models=["wide"], seeds=[0], batch_size=[8]).tasks[0].training

    narrow, wide, again = (planned_with(width) for width in (4, 8, 4))
    assert narrow.training_id == again.training_id != wide.training_id
    assert [*narrow.options] == ["weights"]
    assert plan(tmp_path, seeds=[0]).tasks[0].training.options == {}


def test_verbs_that_run_nothing_know_the_recipes_of_the_last_run(tmp_path: Path) -> None:
    ran = plan(tmp_path, learning_rate=[0.001, 0.003], seeds=[0])
    remember_options(ran, ran.asked)
    last = last_options(ran.study, "all", str(tmp_path / "results"))
    assert last == {"learning_rate": [0.001, 0.003], "precision": "32"}
