"""What is found of a contrast: against scipy's t test, over few seeds, and where there is nothing to find."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rac_ray.results.answers import Answers
from rac_ray.results.claims import Claim, Contrast, Term, every
from rac_ray.results.findings import Finding, Measurement, measure, measure_all, p_of, strength
from rac_ray.results.measures import APART, NOT_ASKED, Silent
from rac_ray.results.statistics import Estimate
from rac_ray.results.tables import Tables
from tests.results.synthetic import sweep

FIRST, SECOND = (Term(model, "2dot", "mnist") for model in ("convlstm", "cnn3d"))
KEPT = {"convlstm": 0.9, "cnn3d": 0.6}


@pytest.fixture(scope="module")
def answers() -> Answers:
    def truth(model: str, size: int, _: str, target: str) -> float:
        home = {2: 0.5, 8: 0.7, 32: 0.9}[size]
        return home if target == "2dot" else KEPT[model] * home

    return Answers.of(sweep(truth, models=tuple(KEPT)), draws=0)


def found(answers: Answers, contrast: Contrast, claims: int = 1) -> Measurement:
    measurement = measure(answers, contrast, claims)
    assert isinstance(measurement, Measurement)
    return measurement


def test_without_resampled_clips_the_papers_p_is_that_of_a_t_test_over_seeds(answers: Answers) -> None:
    places = [answers.places(model=model) for model in KEPT]
    ratios = [answers.relative(("mnist", "test"), "source_val", each)[0] for each in places]
    seeds = answers.trials["seed"].to_numpy()[places[0]]
    differences = [np.mean((ratios[0] - ratios[1])[seeds == seed]) for seed in np.unique(seeds)]
    paper = found(answers, Contrast(FIRST, SECOND)).paper
    assert paper.effect.estimate == pytest.approx(np.mean(differences))
    assert paper.p == pytest.approx(stats.ttest_1samp(differences, 0.0)[1])
    assert (paper.seeds, paper.pairs) == (5, 15)


def test_every_measure_has_a_say_on_two_models(answers: Answers) -> None:
    each = found(answers, Contrast(FIRST, SECOND))
    assert list(each.found) == list(each.asked) == ["paper", "corrected", "matched"]
    assert all(finding.effect.low > 0 for finding in each.found.values())
    assert each.p_for == max(finding.p for finding in each.found.values())
    assert each.p_against == 1.0
    assert each.learned == {"convlstm": 1.0, "cnn3d": 1.0}
    assert each.learned_only is None


def test_trials_that_never_learned_are_left_out_of_one_finding_only(answers: Answers) -> None:
    trials = answers.trials.assign(learned=answers.trials["hidden_units"] != 2)
    each = found(replace(answers, trials=trials), Contrast(FIRST, SECOND))
    assert each.learned["cnn3d"] == pytest.approx(2 / 3)
    assert each.learned_only is not None
    assert (each.paper.pairs, each.learned_only.pairs) == (15, 10)


def test_one_seed_that_can_be_matched_does_not_speak_for_five() -> None:
    """Under seed 42 both models are about as accurate at home; under the others one is never as accurate as the other.
    Clips alone would make the matched difference look sure."""

    def tables(seeds: tuple[int, ...], convlstm: float, cnn3d: float) -> Tables:
        home = {"convlstm": convlstm, "cnn3d": cnn3d}

        def truth(model: str, _size: int, _source: str, target: str) -> float:
            return home[model] if target == "2dot" else KEPT[model] / 2

        return sweep(truth, models=tuple(KEPT), sizes=(2, 8), seeds=seeds, between_seeds=0.001, clips=4000)

    parts = tables((42,), 0.5, 0.5), tables((1, 2, 3), 0.3, 0.8)
    frames = zip(*(vars(each).values() for each in parts), strict=True)
    both = Tables(*(pd.concat(each, ignore_index=True) for each in frames))
    each = found(Answers.of(both, draws=100), Contrast(FIRST, SECOND))
    assert each.paper.seeds == 4
    matched = each.by_measure["matched"]
    assert isinstance(matched, Silent)
    assert matched.needed
    assert each.p_for == 1.0


def test_with_two_seeds_only_clips_vary(answers: Answers) -> None:
    tables = sweep(lambda model, *_: KEPT[model], models=tuple(KEPT), sizes=(2, 8), seeds=(1, 2))
    few = Answers.of(tables, draws=400)
    contrast = Contrast(replace(FIRST, against=None), replace(SECOND, against=None))
    paper = found(few, contrast).paper
    draws = few.measure("top1", ("mnist", "test"), np.arange(8))
    means = draws[:, few.places(model="convlstm")].mean(axis=1) - draws[:, few.places(model="cnn3d")].mean(axis=1)
    assert paper.effect.estimate == pytest.approx(means[0])
    assert paper.p == pytest.approx(2 * stats.norm.sf(means[0] / means[1:].std()))
    assert paper.seeds == 2


def test_what_is_lacking_is_said(answers: Answers) -> None:
    lacking = measure(answers, Contrast(FIRST, replace(SECOND, model="timesformer1")))
    assert lacking == "no trial has finished that tells of rr. of timesformer1 on mnist (from 2dot)"
    apart = measure(answers, Contrast(replace(FIRST, sizes=(2,)), replace(SECOND, sizes=(8,))))
    assert isinstance(apart, str)
    assert apart.startswith("no two trials share seed and size for ")
    alone = measure(answers, Contrast(replace(FIRST, sizes=(2,)), 0.0, "slope"))
    assert alone == "slope of rr. of convlstm on mnist at h=2 (from 2dot) > 0 cannot be told: it needs two sizes"


def test_a_contrast_of_two_claims_is_measured_once(answers: Answers) -> None:
    claims = [Claim(name, "it is so", "here", every([FIRST], [SECOND, 0.5])) for name in ("one", "other")]
    assert list(measure_all(answers, claims, of=2)) == list(claims[0].contrasts)


def test_a_finding_counts_in_its_direction_and_beyond_zero_only() -> None:
    above = Finding(Estimate(0.2, 0.1, 0.3), 0.001, 0.0625, 5, 10, 3)
    assert (p_of(above, 1), p_of(above, -1), strength(above, 1)) == (0.001, 1.0, pytest.approx(2.0))
    open_one = replace(above, effect=Estimate(0.2, -0.1, 0.5), p=0.04)
    assert p_of(open_one, 1) == 1.0
    assert (p_of(APART, 1), strength(APART, 1)) == (1.0, float("-inf"))
    silent = Measurement(Contrast(FIRST, SECOND), {"paper": above, "corrected": APART, "matched": NOT_ASKED}, None, {})
    assert (silent.p_for, list(silent.asked)) == (1.0, ["paper", "corrected"])
    assert replace(silent, by_measure={"paper": above, "matched": NOT_ASKED}).p_for == 0.001
