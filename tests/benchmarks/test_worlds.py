"""Simulated worlds are what they say, by sweeps of many seeds."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import norm

from benchmarks.truths import senses, true_effect, wrong_outcomes
from benchmarks.worlds import (
    CHANCE,
    EPOCHS,
    NULLS,
    World,
    almost,
    at_the_limits,
    best_of_epochs,
    corrected,
    different,
    equal,
    failing,
    on_the_line,
    raw,
    sweep,
    undertrained,
)
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE
from rac_ray.studies.temporal_shape.grid import MODELS, PAPER_HIDDEN_UNITS

CLAIMS = {claim.claim_id: claim for claim in TEMPORAL_SHAPE}
WORLDS = [*(null() for null in NULLS), different(), almost(), at_the_limits()]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_trials_answer_as_the_world_says(world: World) -> None:
    """80 seeds: means are known to 0.4 points between seeds, and to one of the clips that trials share."""
    answers = sweep(world, seeds=80, draws=0)
    for source, accuracy in world.accuracy.items():
        for place, (target, split) in enumerate(answers.parts(source, ["source_test", "target"])):
            for number, model in enumerate(MODELS):
                never = world.never_learns[number]
                expected = (1 - never) * accuracy[number, :, place] + never * CHANCE
                found = answers.top1[target, split][0, answers.places(source=source, model=model)]
                assert found.mean() == pytest.approx(expected.mean(), abs=0.04)
    assert 1 - answers.trials["learned"].to_numpy(bool).mean() == pytest.approx(world.never_learns.mean(), abs=0.09)


def test_validation_is_the_best_of_the_epochs() -> None:
    """The mean over 40 sweeps, whose clips differ: 0.2 points of noise, where the best of ten epochs adds 2."""
    world, found = equal(), []
    for draw in range(40):
        answers = sweep(world, draw=draw, draws=0)
        places = answers.places(source="2dot")
        found.append(answers.top1["2dot", "val"][0, places].mean())
    plain = world.accuracy["2dot"][..., 0]
    assert np.mean(found) == pytest.approx(best_of_epochs(plain).mean(), abs=0.006)
    assert best_of_epochs(plain).mean() - plain.mean() > 0.015


def test_the_best_of_ten_guesses_by_simulation() -> None:
    """Without shared difficulty 0.2 + 1.54 * sqrt(0.16 / 1000) = 0.2195; what clips share does not vary by epoch."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(size=1000)
    chance = norm.cdf((ndtri(0.2) - np.sqrt(0.3) * difficulty) / np.sqrt(0.7))
    best = (rng.random((400, EPOCHS, 1000)) < chance).mean(axis=-1).max(axis=-1) - chance.mean()
    assert best.mean() == pytest.approx(float(best_of_epochs(0.2)) - 0.2, abs=0.001)
    assert float(best_of_epochs(0.2)) < 0.2195


def test_a_sweep_is_reproducible_and_answers_vary_by_draw() -> None:
    one, same, other = (sweep(equal(), draw=draw, draws=5) for draw in (1, 1, 2))
    assert set(one.top1) == set(same.top1)
    for part, top1 in one.top1.items():
        np.testing.assert_array_equal(top1, same.top1[part])
        assert not np.array_equal(top1, other.top1[part], equal_nan=True)


def test_it_has_the_papers_shape() -> None:
    answers = sweep(equal(), draws=3)
    assert answers.sources == ["2dot", "mnist_bg"]
    assert len(answers.trials) == len(MODELS) * len(PAPER_HIDDEN_UNITS) * 5 * 2
    assert {part: right.shape for part, right in answers.right.items()} == {
        ("2dot", "val"): (1000, 400), ("mnist_bg_half", "val"): (1000, 400),
        **{(name, "test"): (500, 400) for name in ("2dot", "5dot", "mnist", "mnist_bg", "mnist_bg_half")},
    }  # fmt: skip
    asked = ~np.isnan(answers.top1["2dot", "val"][0])
    assert set(answers.trials["source"].to_numpy()[asked]) == {"2dot"}
    assert asked.sum() == 200
    for part, right in answers.right.items():
        there = ~np.isnan(answers.top1[part][0])
        np.testing.assert_allclose(answers.top1[part][0, there], right.mean(axis=0)[there])


RATIO = Term("convlstm", "2dot", "mnist"), Term("timesformer8", "2dot", "mnist")


@pytest.mark.parametrize(
    ("world", "none", "some"),
    [
        (raw(), {"raw"}, {"corrected"}),
        (corrected(), {"corrected", "matched"}, {"raw"}),
        (equal(), {"raw", "corrected", "matched"}, set()),
        (on_the_line(), {"matched"}, {"raw", "corrected"}),
        (failing(), {"corrected", "matched"}, {"raw"}),
        (undertrained(), {"corrected", "matched"}, {"raw"}),
        (different(), set(), {"raw", "corrected", "matched"}),
    ],
)
def test_worlds_differ_in_the_senses_that_they_name(world: World, none: set[str], some: set[str]) -> None:
    """ConvLSTM beside TimeSf-8, in ``different`` beside the 3D CNN, on MNIST."""
    higher, lower = RATIO
    contrast = Contrast(higher, lower if some != set(senses(Contrast(*RATIO))) else Term("cnn3d", "2dot", "mnist"))
    effects = {sense: abs(true_effect(world, contrast, sense)) for sense in senses(contrast)}
    assert all(effects[sense] < 0.003 for sense in none), effects
    assert all(effects[sense] > 0.01 for sense in some), effects


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_raw_effects_are_the_means_of_many_trials(world: World) -> None:
    """The ratios' means over 200 seeds on new clips: 1 point, which is the clips' noise of models that pair."""
    claim = CLAIMS["ts-mnist-drop"]
    answers = [sweep(world, seeds=10, draw=draw, draws=0) for draw in range(20)]
    for contrast in claim.contrasts:
        sides = []
        for side in (contrast.higher, contrast.lower):
            assert isinstance(side, Term)
            means = [
                each.relative((side.targets[0], "test"), "source_val", each.places(model=side.model, source="2dot"))
                for each in answers
            ]
            sides.append(np.mean(means))
        assert sides[0] - sides[1] == pytest.approx(true_effect(world, contrast, "raw"), abs=0.015)


def test_what_would_be_wrong() -> None:
    """All four where nothing differs; nothing is to be reproduced where the paper's measure alone shows it."""
    claim = CLAIMS["ts-mnist-drop"]
    only = " in the paper's measure only"
    assert wrong_outcomes(equal(), claim) == {
        "reproduced", "contradicted", f"reproduced{only}", f"contradicted{only}",
    }  # fmt: skip
    assert wrong_outcomes(corrected(), claim) == {"reproduced", "contradicted", f"contradicted{only}"}
    assert wrong_outcomes(different(), claim) == {"contradicted", f"contradicted{only}"}
    reversed_claim = Claim("", "", "", tuple(Contrast(each.lower, each.higher) for each in claim.contrasts))
    assert wrong_outcomes(different(), reversed_claim) == {"reproduced", f"reproduced{only}"}


def test_all_claims_hold_where_models_differ_as_the_paper_says() -> None:
    for effect in (0.05, 0.1, 0.2):
        assert not [each for each in TEMPORAL_SHAPE if "reproduced" in wrong_outcomes(different(effect), each)]


def test_the_least_favourable_worlds_make_each_claim_of_a_mean_wrong() -> None:
    """Each claim but those of a single contrast, whose least favourable world is one without a difference."""
    wrong = {
        claim.claim_id
        for claim in TEMPORAL_SHAPE
        for world in (almost(), at_the_limits(), equal())
        if "reproduced" in wrong_outcomes(world, claim)
    }
    assert wrong == set(CLAIMS)
