"""Looks, what each may spend, p values over looks, and who is nearest: by hand, and that errors stay in bounds."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rac_ray.errors import BadInput
from rac_ray.results.schedule import SPENDING, Schedule, looks_between, nearest, sequential


@pytest.mark.parametrize(
    ("first", "most", "looks"),
    [
        (3, 20, (3, 5, 8, 12, 20)),  # after 12 come 18, too near to 20 for a look of its own
        (5, 20, (5, 8, 12, 20)),
        (3, 13, (3, 5, 8, 13)),
        (5, 6, (5, 6)),
        (4, 4, (4,)),
    ],
)
def test_a_look_has_about_half_as_many_seeds_again(first: int, most: int, looks: tuple[int, ...]) -> None:
    assert looks_between(first, most) == looks


@pytest.mark.parametrize(
    ("spending", "weights"),
    [
        ("even", [5 / 20, 3 / 20, 4 / 20, 8 / 20]),
        # log(1 + (e - 1) n / 20) at 5, 8, 12, 20 seeds: 0.35737, 0.52314, 0.70851, 1
        ("pocock", [0.35737, 0.16576, 0.18538, 0.29149]),
        # 2 (1 - Phi(1.95996 / sqrt(n / 20))) / 0.05: 0.0017715, 0.038855, 0.22790, 1
        ("obrien-fleming", [0.0017715, 0.0370838, 0.1890413, 0.7721034]),
    ],
)
def test_weights_are_the_steps_of_the_spending_function(spending: str, weights: list[float]) -> None:
    schedule = Schedule.of(5, 20, spending, 0.05)
    assert schedule.weights == pytest.approx(weights, abs=1e-4)
    assert math.fsum(schedule.weights) == pytest.approx(1)


def test_weights_hold_back_less_where_more_is_spent_early() -> None:
    firsts = [Schedule.of(5, 20, name, 0.05).weights[0] for name in ("obrien-fleming", "even", "pocock")]
    assert firsts == sorted(firsts)


def test_one_look_spends_all() -> None:
    schedule = Schedule.of(5, 5, "pocock", 0.05)
    assert (schedule.looks, schedule.weights, schedule.after(1)) == ((5,), (1.0,), None)
    assert schedule.words == "one look at 5 seeds"


def test_a_schedule_is_told_in_words() -> None:
    schedule = Schedule.of(5, 20, "even", 0.05)
    assert schedule.words == "looks at 5, 8, 12, 20 seeds, which may spend 25%, 15%, 20%, 40% of the level (even)"
    assert [schedule.after(look) for look in (0, 1, 4)] == [5, 8, None]


def test_what_no_schedule_can_be_is_named() -> None:
    with pytest.raises(BadInput, match="--most-seeds is 4; valid: 5 or more, the seeds of the plan"):
        Schedule.of(5, 4, "even", 0.05)
    with pytest.raises(BadInput, match="unknown spending function 'lavish'; valid: pocock, obrien-fleming, even"):
        Schedule.of(5, 8, "lavish", 0.05)


def test_the_p_value_over_looks_is_the_smallest_over_its_weight() -> None:
    assert sequential([]) == 1.0
    assert sequential([(0.04, 0.5)]) == pytest.approx(0.08)
    assert sequential([(0.04, 0.5), (0.015, 0.25), (0.9, 0.25)]) == pytest.approx(0.06)
    assert sequential([(0.9, 0.5)]) == 1.0, "no p value is above one"


def test_the_nearest_lacks_least_and_ties_keep_their_order() -> None:
    assert nearest([12, None, 4, 4, 0]) == [4, 2, 3, 0, 1]
    assert nearest([None, None]) == [0, 1]
    assert nearest([]) == []


def two_sided(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """p of a t test of each row's mean."""
    seeds = values.shape[1]
    t = values.mean(axis=1) / (values.std(axis=1, ddof=1) / np.sqrt(seeds))
    return 2 * stats.t.sf(np.abs(t), seeds - 1)


@pytest.mark.parametrize("spending", SPENDING)
def test_looking_at_every_look_errs_no_more_than_the_level(spending: str) -> None:
    """10,000 sweeps without an effect, whose looks all stand on the same growing seeds."""
    schedule = Schedule.of(3, 20, spending, 0.05)
    values = np.random.default_rng(0).normal(size=(10_000, 20))
    ps = [two_sided(values[:, :seeds]) for seeds in schedule.looks]
    over = np.min(np.array(ps) / np.array(schedule.weights)[:, None], axis=0)
    rate, noise = float((over < 0.05).mean()), math.sqrt(0.05 * 0.95 / 10_000)
    assert 0.02 < rate < 0.05 + 3 * noise
    uncorrected = float((np.min(ps, axis=0) < 0.05).mean())
    assert uncorrected > 0.1, "what the correction is for"
