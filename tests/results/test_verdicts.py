"""Sweeps in which a claim is true, false, too small to tell, or not run; and what is said of each."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.findings import Finding, Measurement, measure
from rac_ray.results.measures import Name, Silent
from rac_ray.results.statistics import Estimate
from rac_ray.results.verdict_words import reason, verdict_table
from rac_ray.results.verdicts import Verdict, decided_first, judge
from rac_ray.studies.diving48.claims import DIVING48
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE
from tests.results.synthetic import Truth, sweep

CLAIMS = (*TEMPORAL_SHAPE, *DIVING48)
SIZES = (2, 4, 8, 32)


def as_published(model: str, size: int, source: str, target: str) -> float:
    """A world in which every Temporal Shape claim of the paper holds, in all three measures."""
    big = float(np.log2(size / 2))
    if source == "mnist_bg":
        abroad = {"timesformer8": 0.62, "timesformer1": 0.6}.get(model, 0.45)
        return 0.7 if target == "mnist_bg_half" else abroad
    home = 0.55 + 0.35 * min(1.0, big / 3) + (0.07 if model == "cnn3d" else 0)
    home = 0.25 if model == "timesformer1" and size <= 4 else home
    nearby = {"convlstm": 0.95 - 0.1 * big, "cnn3d": 0.8 + 0.06 * big, "timesformer8": 0.75 + 0.06 * big}
    far: dict[str, float] = {
        "convlstm": 0.85,
        "cnn3d": 0.5 - 0.06 * big,
        "timesformer8": 0.8,
        "timesformer1": 0.8,
    }
    kept = {"2dot": 1.0, "5dot": nearby.get(model, 0.9), "mnist": far[model]}.get(target, 0.2 - 0.05 * big)
    return 0.2 + kept * (home - 0.2)


def upside_down(model: str, size: int, source: str, target: str) -> float:
    """A world in which the opposite of most claims holds."""
    big = float(np.log2(size / 2))
    if source == "mnist_bg" and model in ("timesformer8", "timesformer1"):
        return 0.6 if target == "mnist_bg_half" else 0.3
    if model == "cnn3d":
        return (0.5 + 0.08 * big) * (1.0 if target in ("2dot", "mnist_bg_half") else 0.9 - 0.1 * big)
    kept = {"2dot": 1.0, "mnist_bg_half": 1.0, "5dot": 0.6 + 0.09 * big, "mnist": 0.3 + 0.09 * big}
    return (0.6 + 0.07 * big) * kept.get(target, 0.4 + 0.08 * big)


def verdicts(truth: Truth, claims: tuple[Claim, ...] = TEMPORAL_SHAPE, **options: object) -> dict[str, Verdict]:
    settings = {"sizes": SIZES, "sources": ("2dot", "mnist_bg"), "clips": 500, **options}
    answers = Answers.of(sweep(truth, **settings), draws=400)  # pyright: ignore[reportArgumentType]
    return {verdict.claim.claim_id: verdict for verdict in judge(answers, claims)}


@pytest.fixture(scope="module")
def published() -> dict[str, Verdict]:
    return verdicts(as_published, CLAIMS, between_seeds=0.01, of_clips=0.1)


def test_where_the_paper_is_right_its_claims_are_reproduced(published: dict[str, Verdict]) -> None:
    outcomes = {claim.claim_id: published[claim.claim_id].outcome for claim in TEMPORAL_SHAPE}
    assert outcomes == dict.fromkeys(outcomes, "reproduced")
    assert all(published[name].seeds_missing == 0 for name in outcomes)


def test_diving48_has_not_run(published: dict[str, Verdict]) -> None:
    diving = [verdict for name, verdict in published.items() if name.startswith("diving")]
    assert len(diving) == 11
    assert {verdict.outcome for verdict in diving} == {"not run"}
    assert not any(verdict.measurements for verdict in diving)


def test_the_decided_come_first_and_those_of_one_ruling_as_they_were(published: dict[str, Verdict]) -> None:
    shuffled = [published[claim.claim_id] for claim in (*DIVING48, *TEMPORAL_SHAPE)]
    assert decided_first(shuffled) == [published[claim.claim_id] for claim in (*TEMPORAL_SHAPE, *DIVING48)]


def test_where_the_paper_is_wrong_its_claims_are_contradicted() -> None:
    found = verdicts(upside_down, between_seeds=0.01, of_clips=0.1)
    expected = {"ts-nearby", "ts-mnist-drop", "ts-mnist-absolute", "ts-background"}
    expected |= {"ts-size-5dot-recurrent", "ts-size-5dot-others", "ts-size-background", "ts-from-background"}
    assert {name for name, each in found.items() if each.outcome == "contradicted"} >= expected
    assert found["ts-condensed"].outcome == "contradicted in the paper's measure only"
    weakest = found["ts-mnist-absolute"].weakest
    assert weakest is not None
    assert weakest.paper.effect.high < 0


def slightly(model: str, size: int, source: str, target: str) -> float:
    return 0.52 if model == "convlstm" and target == "mnist" else 0.5


CLAIM = tuple(claim for claim in TEMPORAL_SHAPE if claim.claim_id == "ts-mnist-absolute")


def test_a_small_effect_between_noisy_seeds_is_underpowered() -> None:
    (found,) = verdicts(slightly, CLAIM, between_seeds=0.06, sizes=(2, 4), draw=3).values()
    assert found.outcome == "underpowered"
    assert "more seeds" in reason(found)


def test_more_seeds_decide_what_was_underpowered() -> None:
    few, many = (
        verdicts(
            slightly,
            CLAIM,
            between_seeds=0.02,
            of_clips=0.0,
            sizes=(2,),
            clips=1000,
            seeds=range(count),
            sources=("2dot",),
        )
        for count in (4, 40)
    )
    assert few["ts-mnist-absolute"].outcome == "underpowered"
    assert (few["ts-mnist-absolute"].seeds_missing or 0) > 0
    assert many["ts-mnist-absolute"].outcome == "reproduced"


def test_two_seeds_say_something_of_their_models_only_however_large_the_effect() -> None:
    (found,) = verdicts(as_published, CLAIM, sizes=(4, 8), seeds=(42, 61), between_seeds=0.001).values()
    assert found.outcome == "holds for these models"
    assert reason(found) == (
        "with 2 seeds only clips are replicates: this is about the models that were trained, not about their "
        "architectures, for which at least 1 more seed is needed"
    )


def test_the_permutations_p_of_five_seeds_stands_beside_the_other() -> None:
    (found,) = verdicts(as_published, CLAIM, sizes=(4,), between_seeds=0.001).values()
    finding = found.measurements[0].paper
    assert (finding.permutation_p, finding.seeds, finding.pairs) == (0.0625, 5, 5)
    assert finding.p < 0.001
    assert found.outcome == "reproduced"


def test_seeds_that_are_missing_are_those_of_the_measure_that_needs_most() -> None:
    """In the direction in which all measures point; where they point apart no number of seeds decides it."""
    (found,) = verdicts(
        slightly, CLAIM, between_seeds=0.02, of_clips=0.0, sizes=(2,), clips=1000, seeds=range(4)
    ).values()
    (measured,) = found.measurements
    whole = measured.paper

    def missing(**needed: int | Silent | None) -> int | None:
        findings: dict[Name, Finding | Silent] = {
            name: each if isinstance(each, Silent) else replace(whole, needed=each, effect=Estimate(0.1, -0.1, 0.3))
            for name, each in needed.items()
        }  # pyright: ignore[reportAssignmentType]
        return replace(found, measurements=(replace(measured, by_measure=findings),)).seeds_missing

    assert missing(paper=3, corrected=3, matched=12) == 8
    assert missing(paper=12, corrected=3, matched=3) == 8
    assert missing(paper=3, corrected=None, matched=3) is None
    assert missing(paper=3, matched=Silent("cannot be told", needed=True)) is None
    assert missing(paper=3, matched=Silent("is not asked", needed=False)) == 1
    apart: dict[Name, Finding | Silent] = {
        "paper": replace(whole, needed=9, effect=Estimate(0.1, -0.1, 0.3)),
        "corrected": replace(whole, needed=9, effect=Estimate(-0.1, -0.3, 0.1)),
    }
    assert replace(found, measurements=(replace(measured, by_measure=apart),)).seeds_missing is None


def test_one_seed_is_never_enough() -> None:
    (found,) = verdicts(as_published, CLAIM, seeds=(42,), sizes=(2, 4, 6, 8, 10, 12, 16)).values()
    assert (found.outcome, found.seeds_missing) == ("holds for these models", None)
    assert reason(found).endswith("at least 2 more seeds are needed")


def test_one_seed_that_says_the_opposite_fails_for_its_models_only() -> None:
    (found,) = verdicts(upside_down, CLAIM, seeds=(42,), sizes=(2, 4, 8)).values()
    assert found.outcome == "fails for these models"


def test_a_small_effect_of_one_seed_is_underpowered() -> None:
    (found,) = verdicts(slightly, CLAIM, between_seeds=0.0, seeds=(42,), sizes=(2,), clips=100).values()
    assert found.outcome == "underpowered"
    assert reason(found) == "at least 2 more seeds are needed to decide anything"


def test_models_that_only_guess_are_not_robust() -> None:
    """Transformers at chance everywhere have ratios of 1; claims on their ratios have not run."""
    found = verdicts(lambda model, *_: 0.17 if "timesformer" in model else 0.7, between_seeds=0.005)
    ratios = ("ts-condensed", "ts-mnist-drop", "ts-from-background")
    assert {found[name].outcome for name in ratios} == {"not run"}
    assert reason(found["ts-condensed"]) == (
        "fewer than 50% of the trials of timesformer8 have learned, so its ratios say nothing"
    )


def test_luck_that_all_sizes_of_a_seed_share_does_not_pass_for_evidence() -> None:
    """Of 40 sweeps of equal models whose seeds differ, five seeds and four sizes, few decide either of two claims."""
    names = ("ts-mnist-absolute", "ts-size-5dot-recurrent")
    claims = tuple(claim for claim in TEMPORAL_SHAPE if claim.claim_id in names)
    decided = 0
    for draw in range(40):
        pair = {"models": ("convlstm", "cnn3d"), "sizes": SIZES, "clips": 100}
        tables = sweep(lambda *_: 0.6, **pair, draw=draw, by_model_and_seed=0.04)  # pyright: ignore[reportArgumentType]
        decided += any(each.outcome != "underpowered" for each in judge(Answers.of(tables, draws=100), claims))
    assert decided <= 6


def test_a_lagging_seed_does_not_take_a_trend_away() -> None:
    claim = tuple(claim for claim in TEMPORAL_SHAPE if claim.claim_id == "ts-size-5dot-recurrent")
    tables = sweep(as_published, models=("convlstm",), sizes=SIZES, between_seeds=0.01)
    started = tables.evaluations.query("seed != 57 or hidden_units == 2")
    (found,) = judge(Answers.of(replace(tables, evaluations=started), draws=100), claim)
    assert (found.outcome, found.measurements[0].paper.seeds) == ("reproduced", 4)


def test_a_missing_model_leaves_the_claim_not_run() -> None:
    found = verdicts(as_published, models=("convlstm", "cnn3d"))
    assert found["ts-mnist-absolute"].outcome == "reproduced"
    assert found["ts-condensed"].outcome == "not run"
    assert len(found["ts-condensed"].measurements) == 1


def test_nothing_at_all_is_not_run() -> None:
    found = verdicts(as_published, CLAIMS, models=())
    assert {verdict.outcome for verdict in found.values()} == {"not run"}
    assert len(verdict_table(list(found.values()))) == sum(len(claim.contrasts) for claim in CLAIMS)


def test_a_world_without_differences_is_rarely_decided() -> None:
    """Of 60 sweeps in which both models are alike a few decide the claim, by the 5 % that the level allows."""
    decided = 0
    for draw in range(60):
        tables = sweep(lambda *_: 0.6, models=("convlstm", "cnn3d"), sizes=(2, 8), clips=100, draw=draw)
        (found,) = judge(Answers.of(tables, draws=200), CLAIM)
        decided += found.outcome != "underpowered"
    assert decided <= 7


def test_a_trend_over_the_papers_ten_sizes_and_many_seeds_is_tested() -> None:
    sizes = (2, 4, 6, 8, 10, 12, 16, 24, 32, 48)
    claim = tuple(claim for claim in TEMPORAL_SHAPE if claim.claim_id == "ts-size-5dot-recurrent")
    (found,) = verdicts(
        as_published, claim, models=("convlstm",), sizes=sizes, seeds=range(3), sources=("2dot",)
    ).values()
    assert found.outcome == "reproduced"


def test_the_table_has_a_row_per_contrast(published: dict[str, Verdict]) -> None:
    table = verdict_table(list(published.values()))
    row = table.query("claim_id == 'ts-mnist-absolute'").iloc[0]
    assert (row["outcome"], row["seeds"], row["pairs"], row["seeds_missing"]) == ("reproduced", 5, 20, 0)
    assert row["low"] < row["effect"] < row["high"]
    assert row["quote"].startswith("ConvLSTM in fact outperforms")


def test_experiments_are_strata_once_they_are_there() -> None:
    """Diving48: trials of experiments a and b, paired by seed and experiment though sizes differ."""
    tables = sweep(lambda model, *_: 0.6 if model == "cnn3d" else 0.4, models=("cnn3d", "convlstm"), sizes=(2, 4))
    answers = Answers.of(tables, draws=50)
    trials = answers.trials.assign(experiment=["a" if size == 2 else "b" for size in answers.trials["hidden_units"]])
    trials.loc[trials["model"] == "cnn3d", "hidden_units"] = 128
    named = replace(answers, trials=trials)
    first, second = (Term(model, "2dot", "mnist", against=None, experiments="ab") for model in ("cnn3d", "convlstm"))
    found = measure(named, Contrast(first, second))
    assert isinstance(found, Measurement)
    assert (found.paper.pairs, found.paper.seeds) == (10, 5)
    assert found.paper.effect.estimate == pytest.approx(0.2, abs=0.03)
    assert isinstance(measure(answers, Contrast(first, second)), str)


def test_answers_of_a_pulled_folder_give_the_same_verdicts(published: dict[str, Verdict]) -> None:
    again = verdicts(as_published, CLAIMS, between_seeds=0.01, of_clips=0.1)
    pd.testing.assert_frame_equal(verdict_table(list(again.values())), verdict_table(list(published.values())))
