"""Places: which seeds are a pair, who is ahead, which places are left, what a model's lead is."""

from dataclasses import replace

import numpy as np
import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.claims import Term
from rac_ray.results.measures import Sample, measured
from rac_ray.results.places import Gap, ahead, corrected, gap_of, lead, ranges, with_paired_seeds
from rac_ray.results.sides import Side, side_of
from rac_ray.results.statistics import Estimate
from tests.results.synthetic import sweep


def side(top1: float, *, home: float = 0.7, seeds: tuple[int, ...] = (1, 2, 3), draw: int = 0) -> Side:
    """A model that is right in ``home`` of clips on 2dot and in ``top1`` elsewhere."""
    tables = sweep(
        lambda *at: home if at[-1] == "2dot" else top1, models=("cnn3d",), sizes=(2, 8), seeds=seeds, draw=draw
    )
    found = side_of(Answers.of(tables), Term("cnn3d", "2dot", ("5dot", "mnist")))
    assert found is not None
    return found


def gap(estimate: float, p: float) -> Gap:
    return Gap(Estimate(estimate, estimate - 0.1, estimate + 0.2), p, 3, 6)


def decided(count: int, *pairs: tuple[int, int]) -> np.ndarray:
    found = np.zeros((count, count), bool)
    for pair in pairs:
        found[pair] = True
    return found


@pytest.mark.parametrize(
    ("count", "pairs", "places"),
    [
        (3, [], [(1, 3), (1, 3), (1, 3)]),
        (3, [(0, 1), (0, 2), (1, 2)], [(1, 1), (2, 2), (3, 3)]),
        (3, [(0, 1), (1, 2)], [(1, 1), (2, 2), (3, 3)]),
        (3, [(2, 0)], [(2, 3), (1, 3), (1, 2)]),
        (4, [(0, 3), (1, 3)], [(1, 3), (1, 3), (1, 4), (3, 4)]),
        (4, [(0, 1), (1, 2), (2, 0), (0, 3)], [(1, 3), (1, 3), (1, 3), (4, 4)]),
    ],
    ids=["nothing", "all", "by a third", "one pair", "two ahead of one", "round in a circle"],
)
def test_places_are_those_that_the_decided_pairs_leave(
    count: int, pairs: list[tuple[int, int]], places: list[tuple[int, int]]
) -> None:
    assert ranges(decided(count, *pairs)) == places


def test_who_is_ahead_is_decided_after_holm_over_all_pairs() -> None:
    gaps = {(0, 1): gap(0.3, 0.01), (0, 2): gap(-0.2, 0.02), (1, 2): gap(0.4, 0.04)}
    assert corrected(gaps) == {(0, 1): pytest.approx(0.03), (0, 2): pytest.approx(0.04), (1, 2): pytest.approx(0.04)}
    assert ahead(gaps, 3).tolist() == decided(3, (0, 1), (2, 0), (1, 2)).tolist()
    wider = {**gaps, (0, 3): gap(0.1, 0.9)}
    assert corrected(wider)[0, 2] == pytest.approx(0.06)
    assert ahead(wider, 4).tolist() == decided(4, (0, 1)).tolist()


def test_a_lead_is_the_mean_of_gaps_and_of_their_ends() -> None:
    gaps = {(0, 1): gap(0.3, 1), (1, 2): gap(0.1, 1)}
    found, compared = lead(gaps, 1)
    assert tuple(found) == pytest.approx(((-0.3 + 0.1) / 2, (-0.5 + 0) / 2, (-0.2 + 0.3) / 2))
    assert compared == 2
    assert lead(gaps, 0)[1] == 1
    assert lead(gaps, 3)[1] == 0
    assert np.isnan(lead(gaps, 3)[0].estimate)


def test_shared_seeds_are_pairs_and_others_pair_in_ascending_order() -> None:
    first, second = with_paired_seeds(side(0.5, seeds=(42, 7, 61)), side(0.5, seeds=(61, 5, 9, 3)))
    numbered = []
    for old, new in ((side(0.5, seeds=(42, 7, 61)), first), (side(0.5, seeds=(61, 5, 9, 3)), second)):
        seeds = (of.keys.get_level_values("seed") for of in (old, new))
        numbered.append(dict(zip(*seeds, strict=True)))
    assert numbered == [{61: 0, 7: 1, 42: 2}, {61: 0, 3: 1, 5: 2, 9: 3}]
    assert first.keys.names == ["seed", "stratum", "size"]


def test_a_gap_is_the_measure_at_matched_accuracy() -> None:
    """Of sweeps with other seeds, too; seeds that are left over do not count."""
    strong, weak = side(0.6), side(0.4, seeds=(11, 12, 13, 14), draw=1)
    found = gap_of(strong, weak)
    assert isinstance(found, Gap)
    assert found.effect.estimate == pytest.approx(0.2, abs=0.06)
    assert found.effect.low < found.effect.estimate < found.effect.high
    assert (found.seeds, found.p < 0.05) == (3, True)
    sample = measured("matched", *with_paired_seeds(strong, weak), "mean")
    assert isinstance(sample, Sample)
    assert found.effect.estimate == pytest.approx(float(sample.per_seed[0].mean()))
    other = gap_of(weak, strong)
    assert isinstance(other, Gap)
    assert tuple(other.effect) == pytest.approx(tuple(found.effect.turned))


def test_why_there_is_no_gap() -> None:
    assert gap_of(side(0.6, home=0.9), side(0.4, home=0.4)) == (
        "cannot be told: no trial of one model is as accurate at home as one of the other"
    )
    few = gap_of(side(0.6), side(0.4, seeds=(1, 2)))
    assert few == "cannot be told: 2 pairs of seeds have trials that are as accurate at home; 3 are needed"
    nowhere = side(0.5)
    nowhere = replace(nowhere, target=np.full_like(nowhere.target, np.nan))
    assert gap_of(nowhere, side(0.5)) == "cannot be told: too few trials are as accurate at home"
