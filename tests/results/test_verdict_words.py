"""What is said of a verdict, and its rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.findings import Finding, Measurement
from rac_ray.results.measures import APART, NOT_ASKED, Silent
from rac_ray.results.paper import Printed
from rac_ray.results.statistics import Estimate
from rac_ray.results.verdict_words import (
    p_in_short,
    reason,
    shown_verdicts,
    standing,
    verdict_table,
)
from rac_ray.results.verdicts import Ruling, Verdict

CONTRAST = Contrast(Term("convlstm", "2dot", "mnist"), Term("cnn3d", "2dot", "mnist"))
CLAIM = Claim("drop", "it drops less", "figure 3", (CONTRAST,))


def finding(estimate: float, width: float = 0.05, p: float = 0.001, seeds: int = 5) -> Finding:
    effect = Estimate(estimate, estimate - width, estimate + width)
    return Finding(effect, p, permutation_p=0.0625, seeds=seeds, pairs=35, needed=8)


def verdict(
    outcome: Ruling,
    paper: Finding,
    corrected: Finding | Silent,
    matched: Finding | Silent,
    learned: Finding | None = None,
    contrasts: Sequence[Contrast] = CLAIM.contrasts,
) -> Verdict:
    measurement = Measurement(contrasts[0], {"paper": paper, "corrected": corrected, "matched": matched}, learned, {})
    return Verdict(CLAIM, outcome, (measurement,), p_for=0.012, p_against=1.0, p_for_paper=0.004, p_against_paper=1.0)


@pytest.mark.parametrize(
    ("corrected", "matched", "said"),
    [
        (
            finding(-0.01, p=0.6),
            finding(0.1),
            "chance-corrected it is -0.010 [-0.060, +0.040]: a ratio of raw accuracies also rewards a model that knows "
            "little and guesses elsewhere",
        ),
        (
            finding(0.2),
            finding(0.02, p=0.3),
            "at matched source accuracy it is +0.020 [-0.030, +0.070]: the models differ in how accurate they are at "
            "home, and that may be all",
        ),
        (
            finding(0.2),
            APART,
            "at matched source accuracy it cannot be told: no trial of one model is as accurate at home as one of the "
            "other: the models differ in how accurate they are at home, and that may be all",
        ),
        (
            finding(0.2),
            finding(0.06, p=0.02),
            "at matched source accuracy it is +0.060 [+0.010, +0.110]: not sure enough once it is corrected over all "
            "claims",
        ),
    ],
)
def test_why_only_the_papers_measure_shows_it(
    corrected: Finding | Silent, matched: Finding | Silent, said: str
) -> None:
    found = verdict("reproduced in the paper's measure only", finding(0.2), corrected, matched)
    assert reason(found) == said


def test_where_the_trials_that_learned_disagree_it_is_said() -> None:
    alone = finding(-0.2)
    found = verdict("reproduced", finding(0.2), finding(0.3), finding(0.1), learned=alone)
    assert found.split
    assert reason(found) == "by the trials that learned, alone, the paper's measure would rule otherwise"
    assert not verdict("reproduced", finding(0.2), finding(0.3), finding(0.1), learned=finding(0.3)).split


def test_few_seeds_speak_of_the_trained_models_only() -> None:
    found = verdict("holds for these models", finding(0.2, seeds=1), NOT_ASKED, NOT_ASKED)
    assert reason(found) == (
        "with 1 seed only clips are replicates: this is about the models that were trained, not about their "
        "architectures, for which at least 2 more seeds are needed"
    )


def test_what_is_missing_is_counted() -> None:
    found = verdict("underpowered", finding(0.02, p=0.4), NOT_ASKED, NOT_ASKED)
    assert reason(found) == "3 more seeds would decide it, were the effect as observed"


def test_a_row_has_all_measures_and_what_was_not_asked_is_empty() -> None:
    (row,) = verdict_table([verdict("reproduced", finding(0.2), finding(0.3), NOT_ASKED, finding(0.25))]).to_dict(
        "records"
    )
    assert (row["effect"], row["low"], row["high"], row["p"], row["permutation_p"]) == (
        0.2,
        0.15000000000000002,
        0.25,
        0.001,
        0.0625,
    )
    assert (row["corrected"], row["corrected_p"], row["learned_only"]) == (0.3, 0.001, 0.25)
    assert np.isnan(row["matched"])
    assert np.isnan(row["matched_p"])
    assert (row["claim_p"], row["claim_p_against"], row["claim_p_paper"]) == (0.012, 1.0, 0.004)
    assert (row["seeds"], row["pairs"], row["seeds_missing"], row["reason"]) == (5, 35, 0, "")


def test_a_claim_that_has_not_run_says_why() -> None:
    found = Verdict(CLAIM, "not run", (), lacking="no trial has finished that tells of it")
    (row,) = verdict_table([found]).to_dict("records")
    assert (row["outcome"], row["reason"], row["seeds"]) == ("not run", "no trial has finished that tells of it", 0)
    assert standing([found], 3) == (
        "1 not run. 0 of 1 claim could be tested; p values are corrected over these. "
        "Provisional: 3 trials have not finished"
    )


def test_the_papers_own_numbers_stand_beside_ours() -> None:
    """A paper that prints .4 and .3 of all, and of experiment a the opposite."""

    def ratio(model: str, experiments: str) -> Term:
        return Term(model, "2dot", "mnist", experiments=experiments)

    first, second = Contrast(ratio("a", "ab"), ratio("b", "ab")), Contrast(ratio("b", "ab"), ratio("a", "ab"))
    printed = Printed({ratio("a", "ab"): 0.4, ratio("b", "ab"): 0.3}, {"ab": "table 1"})
    claim = Claim("drop", "it drops less", "figure 3", (first, second))
    table = verdict_table([Verdict(claim, "not run", ())], printed)
    assert table[["paper", "carries"]].to_numpy().tolist() == [[0.1, "yes"], [-0.1, "no"]]


def test_numbers_are_told_alike_in_the_table_and_elsewhere() -> None:
    found = replace(verdict("contradicted", finding(0.2), NOT_ASKED, NOT_ASKED), p_for=1.0, p_against=0.0021)
    assert p_in_short(found) == "p 0.002 (Holm)"
    (row,) = shown_verdicts(verdict_table([found])).to_dict("records")
    assert (row["claim_p"], row["claim_p_against"], row["matched_p"], row["seeds_missing"]) == (
        "1.00",
        "0.002",
        "-",
        "0",
    )


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("reproduced", "p 0.010 (Holm)"),
        ("contradicted", "p 0.020 (Holm)"),
        ("reproduced in the paper's measure only", "p 0.030 (Holm)"),
        ("contradicted in the paper's measure only", "p 0.040 (Holm)"),
        ("holds for these models", "p 0.010 (Holm)"),
        ("fails for these models", "p 0.020 (Holm)"),
        ("underpowered", "p 0.010 (Holm)"),
    ],
)
def test_the_p_that_is_told_is_that_which_the_ruling_took(outcome: Ruling, said: str) -> None:
    found = verdict(outcome, finding(0.2), NOT_ASKED, NOT_ASKED)
    p_values = {"p_for": 0.01, "p_against": 0.02, "p_for_paper": 0.03, "p_against_paper": 0.04}
    assert p_in_short(replace(found, **p_values)) == said


def test_a_claim_that_has_not_run_has_no_effect_either() -> None:
    found = replace(verdict("not run", finding(0.2), NOT_ASKED, NOT_ASKED), lacking="it needs two sizes")
    (row,) = shown_verdicts(verdict_table([found])).to_dict("records")
    assert (row["effect"], row["low"], row["p"], row["seeds_missing"], row["reason"]) == (
        "-", "-", "-", "-", "it needs two sizes",
    )  # fmt: skip
