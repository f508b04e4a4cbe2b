"""Who is at chance, and how the rule is told."""

import numpy as np
import pandas as pd
import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.at_chance import counted, fewest_seeds, guessing, rule_in_words
from rac_ray.results.comparisons import comparison_table
from rac_ray.results.robustness import above_chance, least_learned
from rac_ray.results.summaries import SPREAD, accuracy_table, ratio_table, robustness_table
from rac_ray.results.tables import Tables
from tests.results.many_trials import without_results
from tests.results.synthetic import sweep


@pytest.fixture(scope="module")
def tables() -> Tables:
    """TimeSf-1 guesses, the others learn."""
    return sweep(
        lambda model, *_: 0.2 if model == "timesformer1" else 0.7,
        models=("convlstm", "cnn3d", "timesformer1"),
        sizes=(2,),
        seeds=(1, 2, 3),
        of_clips=0.0,
        between_seeds=0.0,
    )


def test_fewer_than_half_of_the_trials_make_a_model_guess() -> None:
    table = pd.DataFrame({"trials": [4, 4, 3, 1], "never_learned": [2, 3, 0, 1]})
    assert guessing(table).tolist() == [False, True, False, True]
    assert counted(table) == ["2 of 4", "3 of 4: at chance", "none", "1 of 1: at chance"]


@pytest.mark.parametrize(("clips", "epochs", "classes"), [(400, 5, 5), (40, 1, 2), (1000, 100, 5)])
def test_the_limit_is_the_lowest_accuracy_that_counts_as_learned(clips: int, epochs: int, classes: int) -> None:
    least = least_learned(clips, epochs, classes)
    assert above_chance(least, clips, epochs, classes)
    assert not above_chance(least - 1 / clips, clips, epochs, classes)


def test_the_rule_says_its_limit_and_why(tables: Tables) -> None:
    epochs = int(tables.trials["epochs"].iloc[0])
    limit = f"{100 * least_learned(300, epochs, 5):.1f}%"
    assert rule_in_words(tables, "2dot").startswith(
        f"A trial has learned if its best accuracy on the 300 validation clips is at least {limit}: guessing is right "
        "in 20%, and gets that far by luck in one of 1,000 trials."
    )
    assert rule_in_words(without_results(tables), "2dot") == ""


def test_a_model_at_chance_has_accuracies_and_no_ratios(tables: Tables) -> None:
    answers = Answers.of(tables)
    guess = "model == 'timesformer1'"
    assert not np.isnan(accuracy_table(answers).query(guess)["mean"].to_numpy(float)).any()
    for table in (ratio_table(answers), robustness_table(tables, answers)):
        assert np.isnan(table.query(guess)[SPREAD].to_numpy(float)).all()
        assert not np.isnan(table.query(f"not ({guess})")["mean"].to_numpy(float)).all()


def test_nothing_is_compared_with_a_model_at_chance(tables: Tables) -> None:
    """Two of three pairs are with it; p values are corrected over the one that is left, on four targets."""
    table = comparison_table(tables, Answers.of(tables))
    guesses = ((table["first"] == "timesformer1") | (table["second"] == "timesformer1")).to_numpy()
    assert guesses.sum() == 8
    figures = ["estimate", "p", "holm", "bh", "improvement", "same_accuracy"]
    assert np.isnan(table.loc[guesses, figures].to_numpy(float)).all()
    known = table.loc[~guesses]
    assert known["pairs"].tolist() == [3] * 4
    least = known["p"].idxmin()
    assert known.loc[least, "holm"] == pytest.approx(min(1.0, 4 * known.loc[least, "p"]))


def test_the_fewest_seeds_are_those_of_one_model() -> None:
    assert fewest_seeds(pd.DataFrame({"model": ["a", "a", "b"], "seed": [1, 2, 1]})) == 1
    assert fewest_seeds(pd.DataFrame({"model": [], "seed": []})) == 0
