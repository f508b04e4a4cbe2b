"""Before and after tuning: means, differences, and verdicts that change."""

from collections.abc import Sequence

import pandas as pd
import pytest

from rac_ray.results.claims import Claim
from rac_ray.results.tuned import (
    before_and_after,
    changes_in_words,
    other_clips,
    pairs_of,
    side_by_side,
    verdict_changes,
)
from rac_ray.results.verdicts import Ruling, Verdict

KEY = {"source": "2dot", "model": "cnn3d", "size": "", "hidden_units": 4}


def evaluations(
    tops: Sequence[float], seeds: Sequence[int], role: str = "target", experiment: str = "", learned: bool = True
) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                **KEY, "target": "5dot", "split": "test", "role": role, "seed": seed, "top1": top1,
                "robustness_ratio": 2 * top1, "chance_corrected_ratio": top1 / 2,
                "experiment": experiment, "learned": learned,
            }
            for seed, top1 in zip(seeds, tops, strict=True)
        ]
    )  # fmt: skip


def test_differences_are_by_seed_of_the_seeds_that_both_have() -> None:
    table = before_and_after(evaluations([0.2, 0.3, 0.4, 0.9], [1, 2, 3, 4]), evaluations([0.3, 0.4, 0.5], [1, 2, 3]))
    assert table["measure"].tolist() == ["top1", "robustness_ratio", "chance_corrected_ratio"]
    row = table.iloc[0]
    assert (row["as_given"], row["tuned"], row["seeds"]) == (pytest.approx(0.3), pytest.approx(0.4), 3)
    assert row[["difference", "low", "high"]].tolist() == pytest.approx([0.1, 0.1, 0.1]), "each seed gains as much"
    assert side_by_side(table)[:2] == [
        "30.0 to 40.0: +10.0 [+10.0, +10.0]", "0.600 to 0.800: +0.200 [+0.200, +0.200]",
    ]  # fmt: skip


def test_few_seeds_have_no_interval_and_models_at_chance_no_ratio() -> None:
    given, tuned = evaluations([0.2], [1], learned=False), evaluations([0.9], [1])
    assert side_by_side(before_and_after(given, tuned)) == ["20.0 to 90.0: +70.0*", "-", "-"]


def test_experiments_are_compared_each_with_itself() -> None:
    """As many as a training serves count once for its seed."""
    levels = {"a": 0.3, "b": 0.6, "c": 0.9}
    given = pd.concat([evaluations([top] * 3, [1, 2, 3], experiment=name) for name, top in levels.items()])
    row = before_and_after(given, given).iloc[0]
    assert row[["as_given", "difference", "low", "high", "seeds"]].tolist() == pytest.approx([0.6, 0, 0, 0, 3])


def test_ratios_are_of_targets() -> None:
    given = evaluations([0.2], [1], "source_val")
    assert before_and_after(given, given)["measure"].tolist() == ["top1"]


def test_a_tuned_recipe_is_paired_with_the_given_one_of_the_same_axes() -> None:
    tuned = "tuned learning_rate x4"
    trials = pd.DataFrame(
        {
            "recipe": ["as given, sgd", f"{tuned}, sgd", "as given, adamw", f"{tuned}, adamw", f"{tuned}, layer"],
            "variant": ["", tuned, "", tuned, tuned],
        }
    )
    assert pairs_of(trials) == {f"{tuned}, sgd": "as given, sgd", f"{tuned}, adamw": "as given, adamw"}
    edited = pd.DataFrame({"recipe": ["codec=no", f"codec=no; {tuned}"], "variant": ["codec=no", f"codec=no; {tuned}"]})
    assert pairs_of(edited) == {f"codec=no; {tuned}": "codec=no"}
    assert pairs_of(trials.head(1)) == {}


def test_other_training_clips_are_paired_with_the_studys_own_of_the_same_axes() -> None:
    variants = {"spec": ("released", "paper"), "feed": ("stored", "online")}
    own, drawn = "feed stored, batch 64", "feed online, batch 64"
    trials = pd.DataFrame({"recipe": [own, drawn, "feed online, batch 8"]})
    assert other_clips(trials, variants) == {drawn: own}
    assert other_clips(pd.DataFrame({"recipe": ["spec released", "spec paper"]}), variants) == {
        "spec paper": "spec released"
    }
    assert other_clips(pd.DataFrame({"recipe": [""]}), variants) == {}


def verdicts(**outcomes: Ruling) -> list[Verdict]:
    claims = {name: Claim(name, "quote", "where", ()) for name in outcomes}
    return [Verdict(claims[name], outcome, ()) for name, outcome in outcomes.items()]


def test_changed_verdicts_are_told() -> None:
    table = verdict_changes(verdicts(a="underpowered", b="not run"), verdicts(a="reproduced", b="not run"))
    assert table["changed"].tolist() == [True, False]
    assert changes_in_words({"tuned x": table}, "tuning") == [
        "tuned x: tuning changes 1 of 2 verdicts: a from underpowered to reproduced"
    ]
    assert changes_in_words({"tuned x": table.tail(1)}, "tuning") == ["tuned x: tuning changes no verdict"]
    assert changes_in_words({}, "tuning") == []
