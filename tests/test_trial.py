import json
from dataclasses import replace

import pytest

from rac_ray.errors import BadInput
from rac_ray.identity import PAPER_HIDDEN_UNITS, PAPER_RECIPES, PAPER_SEEDS, Grid, Recipe, Trial, seed_for

TRIAL = Trial("cnn3d", 4, "2dot", 42, Recipe(), "feed", "optdigits")
GRID = Grid(("convlstm", "cnn3d"), (2, 4), (0, 1), ("2dot",))


def test_the_id_is_pinned() -> None:
    assert TRIAL.trial_id == "5b4808eefb30"


def test_every_number_changing_field_changes_the_id() -> None:
    others = [
        replace(TRIAL, model="convlstm"),
        replace(TRIAL, hidden_units=6),
        replace(TRIAL, source="mnist_bg"),
        replace(TRIAL, seed=0),
        replace(TRIAL, data="beef"),
        replace(TRIAL, recipe=Recipe(momentum=0.8)),
        replace(TRIAL, recipe=Recipe(precision="32")),
    ]
    assert len({TRIAL.trial_id, *(other.trial_id for other in others)}) == len(others) + 1
    assert replace(TRIAL, digits="mnist").trial_id == TRIAL.trial_id


def test_a_trial_survives_json() -> None:
    assert Trial.from_dict(json.loads(json.dumps(TRIAL.as_dict()))) == TRIAL


def test_the_studys_numbers() -> None:
    assert PAPER_SEEDS == (42, 61, 47, 53, 57)
    assert PAPER_HIDDEN_UNITS == (2, 4, 6, 8, 10, 12, 16, 24, 32, 48)
    recipe = Recipe()
    assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.batch_size) == (0.001, 0.9, 1e-5, 64)
    budgets = {name: (each.max_epochs, each.patience) for name, each in PAPER_RECIPES.items()}
    assert budgets == {
        "convlstm": (100, 10), "cnn3d": (100, 10), "timesformer1": (300, 100), "timesformer8": (300, 100)
    }  # fmt: skip


def test_seeds_for_different_purposes_differ_and_stay() -> None:
    assert seed_for("weights", 0) == seed_for("weights", 0)
    assert len({seed_for("weights", 0), seed_for("weights", 1), seed_for("order", 0), seed_for("order")}) == 4
    assert 0 <= seed_for("weights", 42) < 2**63


def test_a_grid_is_the_product_of_its_axes() -> None:
    trials = GRID.trials({"2dot": "feed"}, "optdigits")
    assert len(trials) == len({trial.trial_id for trial in trials}) == 8
    assert [trial.seed for trial in trials[:2]] == [0, 1]
    assert trials[0].recipe == PAPER_RECIPES["convlstm"]


def test_growing_a_grid_keeps_ids() -> None:
    ids = {trial.trial_id for trial in GRID.trials({"2dot": "feed"}, "optdigits")}
    grown = GRID.narrowed(hidden_units=[2, 4, 8], seeds=[0, 1, 2])
    assert ids < {trial.trial_id for trial in grown.trials({"2dot": "feed"}, "optdigits")}


def test_narrowing_drops_repeats_and_keeps_what_is_not_named() -> None:
    grid = GRID.narrowed(models=["cnn3d", "cnn3d"], seeds=None)
    assert (grid.models, grid.seeds) == (("cnn3d",), (0, 1))
    with pytest.raises(BadInput, match="--hidden-units names nothing; give one value or more"):
        GRID.narrowed(hidden_units=[])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "8"}, "unknown precision '8'; valid: auto, 32, 16-mixed, bf16-mixed"),
        ({"batch_size": 0}, "batch_size is 0; valid: 1 or more"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; valid: above 0"),
    ],
)
def test_bad_recipes_are_named(settings: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Recipe(**settings)


def test_an_experiment_and_a_size_belong_to_a_diving48_trial_only() -> None:
    plain = Trial("cnn3d", 128, "original", 42, Recipe(), "data", "none")
    named = replace(plain, experiment="c", size="cnn3d-4x128")
    assert {"experiment", "size"} & set(plain.as_dict()) == set()
    assert len({plain.trial_id, named.trial_id, replace(named, experiment="a").trial_id}) == 3
    assert Trial.from_dict(named.as_dict()) == named
    assert named.name == "c cnn3d-4x128 original seed=42"
