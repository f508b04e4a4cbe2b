"""Two presets on one storage: what tells their trials apart, and that nothing is averaged over both."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from rac_ray.errors import BadInput
from rac_ray.results.analysis import Analysis
from rac_ray.results.answers import Answers
from rac_ray.results.figures import drawings
from rac_ray.results.recipes import by_recipe, recipe_column
from rac_ray.results.tables import Tables
from tests.results.studies import SHAPES
from tests.results.synthetic import sweep

DEMO = {"learning_rate": 0.005, "batch_size": 16, "max_epochs": 6, "patience": 3}
LAPTOP = {"learning_rate": 0.003, "batch_size": 16, "max_epochs": 15, "patience": 5}


def together(*parts: Tables) -> Tables:
    """All trials in one folder, as ``load`` shows them."""
    frames = (pd.concat(each, ignore_index=True) for each in zip(*(vars(part).values() for part in parts), strict=True))
    both = Tables(*frames)
    recipes = recipe_column(both.trials)
    of_trial = dict(zip(both.trials["trial_id"], recipes, strict=True))
    evaluations = both.evaluations.assign(recipe=[of_trial[each] for each in both.evaluations["trial_id"]])
    return replace(both, trials=both.trials.assign(recipe=recipes), evaluations=evaluations)


def preset(name: str, top1: float, **changes: object) -> Tables:
    """Trials whose ids begin with the preset's name, of 2 models, 2 sizes, 3 seeds."""
    tables = sweep(
        lambda model, size, source, target: top1 if target != "mnist" else top1 / 2,
        models=("convlstm", "cnn3d"),
        sizes=(2, 4),
        seeds=(42, 61, 47),
        clips=200,
        of_clips=0.0,
    )
    frames = {
        frame: table.assign(trial_id=[f"{name}{trial_id}" for trial_id in table["trial_id"]]) if len(table) else table
        for frame, table in vars(tables).items()
    }
    return replace(Tables(**frames), trials=frames["trials"].assign(**changes))


@pytest.fixture(scope="module")
def both() -> Tables:
    return together(preset("demo", 0.6, **DEMO), preset("laptop", 0.9, **LAPTOP, data="other"))


def test_the_fewest_values_that_tell_trials_apart_are_named(both: Tables) -> None:
    assert list(dict.fromkeys(both.trials["recipe"])) == ["learning rate 0.005", "learning rate 0.003"]
    assert {name: len(part.trials) for name, part in by_recipe(both).items()} == {
        "learning rate 0.005": 12,
        "learning rate 0.003": 12,
    }


def test_models_of_one_preset_share_its_name_though_their_epochs_differ() -> None:
    """As attention, which is trained for longer than others: learning rates tell presets apart, epochs only models."""
    laptop = preset("laptop", 0.9, **LAPTOP)
    longer = laptop.trials["max_epochs"].where(laptop.trials["model"] == "cnn3d", 40)
    laptop = replace(laptop, trials=laptop.trials.assign(max_epochs=longer))
    assert set(recipe_column(laptop.trials)) == {""}
    found = together(preset("demo", 0.6, **DEMO), laptop).trials
    assert found.groupby("recipe")["model"].nunique().to_dict() == {"learning rate 0.003": 2, "learning rate 0.005": 2}


def test_one_value_may_not_be_enough() -> None:
    parts = [
        preset(f"{batch}-{epochs}-", 0.5, batch_size=batch, max_epochs=epochs) for batch in (8, 16) for epochs in (6, 9)
    ]
    assert list(dict.fromkeys(together(*parts).trials["recipe"])) == [
        "batch 8, 6 epochs",
        "batch 8, 9 epochs",
        "batch 16, 6 epochs",
        "batch 16, 9 epochs",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": "abcdef0123456789"}, ["data data", "data abcdef"]),
        ({"training_version": 1}, ["version 2", "version 1"]),
        ({"stop_at": 0.7}, ["no stop at", "stop at 0.7"]),
        ({"precision": "16-mixed"}, ["precision 32", "precision 16-mixed"]),
    ],
)
def test_data_version_and_precision_tell_trials_apart_too(changes: dict[str, object], said: list[str]) -> None:
    both = together(preset("one", 0.5), preset("two", 0.5, **changes))
    assert list(dict.fromkeys(both.trials["recipe"])) == said


def test_a_studys_variants_are_named_before_what_they_change() -> None:
    """Two specs have other data, too, and two codecs other trials of one training."""
    one = preset("one", 0.5, spec="released", codec="yes", variant="")
    two = preset("two", 0.5, spec="paper", codec="yes", variant="", data="other")
    three = preset("three", 0.5, spec="paper", codec="no", variant="codec=no", data="other")
    trials = pd.concat([each.trials for each in (one, two, three)], ignore_index=True)
    names = dict.fromkeys(recipe_column(trials, ["spec", "codec"]))
    assert list(names) == ["spec released, codec yes", "spec paper, codec yes", "spec paper, codec no"]
    assert set(recipe_column(one.trials, ["spec", "codec"])) == {""}


def test_other_seeds_of_another_recipe_are_no_replicates() -> None:
    """Seeds 42 and 61 of one recipe, 47 of another one: their mean would be of both."""
    one, two = preset("one", 0.5), preset("two", 0.5, batch_size=8)
    parts = (replace(part, trials=part.trials.query(f"seed {sign} 47")) for part, sign in ((one, "!="), (two, "==")))
    trials = pd.concat([part.trials for part in parts])
    assert dict(zip(trials["seed"], recipe_column(trials), strict=True)) == {
        42: "batch 64",
        61: "batch 64",
        47: "batch 8",
    }


def test_no_table_averages_over_recipes(both: Tables) -> None:
    analysis = Analysis(both, SHAPES)
    sheets = {sheet.name: sheet for sheet in analysis.sheets}
    accuracy = sheets["figure3-2dot"].long.query("model == 'cnn3d' and target == '5dot'").set_index("recipe")["mean"]
    assert accuracy.to_dict() == {
        "learning rate 0.005": pytest.approx(0.6, abs=0.03),
        "learning rate 0.003": pytest.approx(0.9, abs=0.03),
    }
    for name in ("figure3-2dot", "figure4-2dot", "accuracy-by-size-2dot", "robustness-2dot", "comparisons", "claims"):
        for table in (sheets[name].long, sheets[name].shown):
            assert table.columns[0] == "recipe", name
            assert set(table["recipe"]) == {"learning rate 0.005", "learning rate 0.003"}, name
    assert set(sheets["figure4-2dot"].long["trials"]) == {3}


def test_every_recipe_has_its_own_figures(both: Tables) -> None:
    analysis = Analysis(both, SHAPES)
    found = {drawing.name: drawing for drawing in drawings(analysis)}
    assert len(found) == 2 * 5
    assert found["figure3-2dot-learning-rate-0.003"].of == "2dot, learning rate 0.003"
    (axes,) = (figure := found["figure3-2dot-learning-rate-0.003"].draw()).axes
    bars = [patch.get_height() for container in axes.containers for patch in getattr(container, "patches", [])]
    assert bars[0] == pytest.approx(90, abs=3)
    assert figure.get_supxlabel().startswith("learning rate 0.003: All 12 planned trials are done; ")


def test_answers_refuse_to_mix_recipes(both: Tables) -> None:
    with pytest.raises(BadInput, match=r"trials of 2 recipes have no mean: learning rate 0\.003; learning rate 0\.005"):
        Answers.of(both)


def test_one_recipe_needs_no_column() -> None:
    analysis = Analysis(together(preset("one", 0.5)), SHAPES)
    assert analysis.by_recipe == {"": analysis}
    assert not [sheet.name for sheet in analysis.sheets if "recipe" in sheet.shown]
    assert "recipe" not in json.dumps([drawing.name for drawing in drawings(analysis)])
