"""Three measures of a contrast, against plain loops, numpy's least squares and worlds in which one of them is zero."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from rac_ray.results.claims import Term
from rac_ray.results.measures import APART, NO_MATCH, NOT_ASKED, TWO_SIZES, Sample, Silent, measured
from rac_ray.results.sides import Side

CHANCE = 0.2
SIZES = (2, 4, 8, 16, 32)
Array = NDArray[np.float64]


def side(target: Array, source: Array, *, chooser: Array | None = None, learned: bool = True) -> Side:
    """Trials (seeds, sizes) of accuracies that are known exactly, without resampled clips."""
    seeds, sizes = target.shape
    keys = pd.MultiIndex.from_product([range(seeds), SIZES[:sizes], [""]], names=["seed", "stratum", "size"])
    chosen = source if chooser is None else chooser
    flat = [each.reshape(1, -1) for each in (target, source, chosen)]
    return Side(
        Term("some", "here", "there"), flat[0], flat[2], flat[1], flat[2], np.full(seeds * sizes, learned), CHANCE, keys
    )


def accuracies(rng: np.random.Generator, low: float, high: float, seeds: int = 4) -> Array:
    return np.linspace(low, high, len(SIZES)) + rng.normal(0, 0.02, (seeds, len(SIZES)))


def sample(
    name: Literal["paper", "corrected", "matched"],
    higher: Side | float,
    lower: Side | float,
    over: Literal["mean", "slope"] = "mean",
) -> Sample:
    found = measured(name, higher, lower, over)
    assert isinstance(found, Sample)
    return found


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_the_papers_is_the_mean_difference_of_ratios(rng: np.random.Generator) -> None:
    first, second = accuracies(rng, 0.5, 0.8), accuracies(rng, 0.4, 0.9)
    found = sample("paper", side(first * 0.6, first), side(second * 0.5, second))
    assert found.value[0] == pytest.approx(0.1)
    assert found.per_seed[0] == pytest.approx([0.1] * 4)
    assert found.pairs == 20
    assert found.permutation_p == 2 / 2**4


def test_the_papers_ratio_rewards_models_that_know_little_and_the_corrected_one_does_not() -> None:
    """Both keep half of what lies above chance; one learned to 26 %, the other to 90 %."""
    weak, strong = np.full((3, 2), 0.26), np.full((3, 2), 0.9)
    sides = [side(CHANCE + 0.5 * (source - CHANCE), source) for source in (weak, strong)]
    assert sample("paper", sides[0], sides[1]).value[0] == pytest.approx(0.23 / 0.26 - 0.55 / 0.9)
    assert sample("corrected", sides[0], sides[1]).value[0] == pytest.approx(0.0)


def test_corrected_is_the_mean_over_pairs_with_weights_of_what_both_know(rng: np.random.Generator) -> None:
    first, second = accuracies(rng, 0.3, 0.8), accuracies(rng, 0.4, 0.9)
    far = [accuracies(rng, 0.25, 0.4), accuracies(rng, 0.22, 0.5)]
    found = sample("corrected", side(far[0], first), side(far[1], second))
    weights = (first - CHANCE) * (second - CHANCE)
    kept = [(target - CHANCE) / (source - CHANCE) for target, source in zip(far, (first, second), strict=True)]
    assert found.value[0] == pytest.approx(np.average(kept[0] - kept[1], weights=weights))


def test_pseudo_values_are_those_of_leaving_a_seed_out(rng: np.random.Generator) -> None:
    source, target = accuracies(rng, 0.4, 0.9), accuracies(rng, 0.3, 0.5)
    one, other = side(target, source), side(target[:, ::-1], source[::-1])
    whole = sample("corrected", one, other)
    for seed in range(4):
        keep = np.flatnonzero(one.keys.get_level_values("seed") != seed)
        without = sample("corrected", one.only(keep), other.only(keep)).value[0]
        assert whole.per_seed[0, seed] == pytest.approx(4 * whole.value[0] - 3 * without)


def test_trials_that_never_learned_move_the_papers_measure_and_not_the_corrected_one(rng: np.random.Generator) -> None:
    source = accuracies(rng, 0.6, 0.9)
    kept = CHANCE + 0.4 * (source - CHANCE)
    failed = source.copy()
    failed[:, ::2] = CHANCE
    whole, partly = side(kept, source), side(CHANCE + 0.4 * (failed - CHANCE), failed)
    assert sample("paper", partly, whole).value[0] > 0.2
    assert sample("corrected", partly, whole).value[0] == pytest.approx(0.0)


def test_a_limit_counts_for_the_corrected_ratio_too() -> None:
    source = np.array([[0.6, 0.8]] * 3)
    found = sample("corrected", 0.5, side(CHANCE + 0.3 * (source - CHANCE), source))
    assert found.value[0] == pytest.approx(0.2)


def test_slopes_are_per_doubling_of_size() -> None:
    source = np.tile(np.linspace(0.5, 0.9, len(SIZES)), (3, 1))
    doublings = np.log2(SIZES)
    growing = side(CHANCE + (0.2 + 0.05 * doublings) * (source - CHANCE), source)
    assert sample("corrected", growing, 0.0, "slope").value[0] == pytest.approx(0.05)
    assert sample("corrected", 0.0, growing, "slope").value[0] == pytest.approx(-0.05)
    flat = side(CHANCE + 0.4 * (source - CHANCE), source)
    assert sample("corrected", growing, flat, "slope").value[0] == pytest.approx(0.05)
    raw = side((0.2 + 0.05 * doublings) * source, source)
    assert sample("paper", raw, 0.0, "slope").value[0] == pytest.approx(0.05)


def test_matched_is_what_a_parabola_of_source_accuracy_leaves(rng: np.random.Generator) -> None:
    """With an instrument that is the regressor itself, two stages are least squares: numpy's own are the reference."""
    first, second = accuracies(rng, 0.3, 0.9), accuracies(rng, 0.35, 0.88)

    def curve(source: Array) -> Array:
        return 0.1 + 0.2 * source + 0.4 * source**2

    noise = rng.normal(0, 0.01, first.shape)
    sides = [side(curve(first) + 0.07 + noise, first), side(curve(second), second)]
    low, high = max(first.min(), second.min()) - 0.01, min(first.max(), second.max()) + 0.01
    rows = []
    for number, each in enumerate(sides):
        for x, y in zip(np.asarray(each.source)[0], each.target[0], strict=True):
            if low <= x <= high:
                rows.append((1.0 - number, float(number), x, x**2, y))
    table = np.array(rows)
    coefficients = np.linalg.lstsq(table[:, :4], table[:, 4], rcond=None)[0]
    found = sample("matched", sides[0], sides[1])
    assert found.value[0] == pytest.approx(coefficients[0] - coefficients[1])
    assert found.value[0] == pytest.approx(0.07, abs=0.01)
    assert found.pairs == len(table)


def test_the_instrument_takes_away_what_noisy_accuracies_would_leave(rng: np.random.Generator) -> None:
    """Both models lie on one line, and one is more accurate. Noise of the source flattens a plain regression's line."""
    gaps: dict[str, list[float]] = {"two stages": [], "one": []}
    for _ in range(40):
        means = [rng.uniform(low, high, (20, len(SIZES))) for low, high in ((0.3, 0.7), (0.4, 0.8))]
        noisy = [[mean + rng.normal(0, 0.05, mean.shape) for mean in means] for _ in range(2)]
        threes = zip(means, *noisy, strict=True)
        two = [side(0.8 * mean, seen, chooser=chooser) for mean, seen, chooser in threes]
        one = [replace(each, chooser=each.source) for each in two]
        for name, each in (("two stages", two), ("one", one)):
            gaps[name].append(sample("matched", each[0], each[1]).value[0])
    assert np.mean(gaps["one"]) < -0.01
    assert abs(np.mean(gaps["two stages"])) < 3 * np.std(gaps["two stages"]) / np.sqrt(40) + 0.003


def test_models_that_differ_in_accuracy_alone_do_not_differ_at_matched_accuracy(rng: np.random.Generator) -> None:
    """On one curve (Miller et al. 2021) the stronger model has the higher ratio, and both the same curve."""
    first, second = accuracies(rng, 0.4, 0.75), accuracies(rng, 0.55, 0.95)
    sides = [side(CHANCE + (source - CHANCE) ** 2, source) for source in (second, first)]
    assert sample("corrected", sides[0], sides[1]).value[0] > 0.1
    assert sample("matched", sides[0], sides[1]).value[0] == pytest.approx(0.0, abs=1e-9)


def test_models_of_other_accuracies_cannot_be_matched(rng: np.random.Generator) -> None:
    sides = [side(source * 0.5, source) for source in (accuracies(rng, 0.2, 0.4), accuracies(rng, 0.6, 0.9))]
    assert measured("matched", sides[0], sides[1], "mean") == APART


def test_accuracies_that_hardly_vary_are_matched_as_they_are(rng: np.random.Generator) -> None:
    first, second = (0.7 + rng.normal(0, 0.005, (4, 2)) for _ in range(2))
    chosen = [0.7 + rng.normal(0, 0.005, (4, 2)) for _ in range(2)]
    near = [side(0.4 + 0 * first, first, chooser=chosen[0]), side(0.3 + 0 * second, second, chooser=chosen[1])]
    assert sample("matched", near[0], near[1]).value[0] == pytest.approx(0.1)
    apart = side(0.3 + 0 * second, second + 0.05, chooser=chosen[1])
    assert measured("matched", near[0], apart, "mean") == APART


def test_where_a_measure_has_no_say() -> None:
    source = np.full((3, 1), 0.6)
    ratio = side(source * 0.5, source)
    top1 = replace(ratio, below=None, source=None, chooser=None)
    assert measured("corrected", top1, top1, "mean") == measured("matched", 0.3, top1, "mean") == NOT_ASKED
    assert measured("matched", 0.5, ratio, "mean") == NO_MATCH
    slope = measured("matched", ratio, 0.0, "slope")
    assert isinstance(slope, Silent)
    assert not slope.needed
    assert measured("corrected", ratio, 0.0, "slope") == measured("paper", ratio, 0.0, "slope") == TWO_SIZES


def test_one_seed_has_its_value_and_no_jackknife(rng: np.random.Generator) -> None:
    source = accuracies(rng, 0.4, 0.9, seeds=1)
    found = sample("corrected", side(source * 0.6, source), side(source * 0.5, source))
    assert found.per_seed.tolist() == [[found.value[0]]]
