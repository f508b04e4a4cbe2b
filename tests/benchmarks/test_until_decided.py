"""The simulation of seeds that follow claims: its rules by hand, and that they err no more than they may."""

import numpy as np
import pytest

from benchmarks.growing import MOST, Growing, cells_in, deciding_judge
from benchmarks.until_decided import (
    Came,
    Row,
    Sweep,
    fixed,
    rulings,
    seeds_for,
    simulated,
    table,
    until_decided,
)
from benchmarks.worlds import different, sweep
from rac_ray.results.schedule import Schedule
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE


def flat(*means: float) -> Sweep:
    """Claims whose values are their mean and one to either side, by turns."""
    turns = np.tile([1.0, -1.0], MOST // 2)
    return Sweep(np.array(means)[:, None] + turns, (1,) * len(means))


def test_p_values_are_those_of_a_t_test_on_the_first_seeds() -> None:
    """Two seeds of mean 3 and deviation sqrt(2): t is 3, and with one degree of freedom p is 0.2048."""
    assert flat(3.0).p(0, 2) == pytest.approx((0.2048, 1.0), abs=1e-4)
    assert flat(-3.0).p(0, 2) == pytest.approx((1.0, 0.2048), abs=1e-4)


def test_rulings_are_corrected_over_claims() -> None:
    assert rulings([0.024, 1.0], [1.0, 0.026]) == {0: 1}
    assert rulings([0.2, 0.01], [0.02, 1.0]) == {0: -1, 1: 1}


def test_seeds_that_an_effect_needs_are_those_of_the_t_test() -> None:
    """An effect of one deviation takes 10 seeds at 5% with a power of 0.8, as tables of power have it."""
    assert seeds_for(1.0, 1) == 10
    assert seeds_for(0.0, 1) is None


def test_a_fixed_number_of_seeds_is_one_look_at_all() -> None:
    assert fixed(8).play(flat(9.0, 0.0)) == Came({0: 1}, 16)


def test_seeds_go_to_the_claim_that_is_open_while_the_budget_pays() -> None:
    """Looks at 5, 8, 12, 20 seeds: of 10 more the open claim is paid 3 and 4, and not 8."""
    came = until_decided("pocock", 10).play(flat(9.0, 0.0))
    assert came == Came({0: 1}, 5 + 12)
    assert until_decided("pocock", 0).play(flat(9.0, 0.0)) == Came({0: 1}, 5 + 5)


def test_without_effects_it_errs_in_no_more_sweeps_than_it_may() -> None:
    row = simulated(until_decided("pocock", 150), (0.0,) * 9, 400)
    assert row.errors < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_table_has_a_row_per_rule() -> None:
    lines = table([Row("all", 0.05, 2.5, 100.0)]).splitlines()
    assert lines[2] == "| all | 5.0 | 2.50 | 100 |"


def test_claims_of_the_grid_grow_by_their_own_cells() -> None:
    claims = TEMPORAL_SHAPE[3:5]  # two models at all sizes; all models
    assert [len(cells_in(claim)) for claim in claims] == [20, 40]
    growing = Growing(sweep(different(), seeds=8, draws=50), claims, Schedule.of(3, 8, "pocock", 0.05))
    growing.look()
    assert {name: len(looks) for name, looks in growing.looks.items()} == {claim.claim_id: 1 for claim in claims}
    open_ones = [each.claim.claim_id for each in growing.verdicts if each.outcome == "underpowered"]
    spent = growing.grow(10_000)
    assert spent == (2 * len(growing.cells[open_ones[0]]) if len(open_ones) == 1 else spent)
    assert growing.grow(0) == 0, "nothing is paid without a budget"


@pytest.mark.slow
def test_a_sweep_of_a_world_is_judged_by_the_rule() -> None:
    trials: list[int] = []
    verdicts = deciding_judge(600, trials)(sweep(different(), seeds=MOST, draws=100), TEMPORAL_SHAPE)
    assert len(verdicts) == len(TEMPORAL_SHAPE)
    assert 80 * 5 <= trials[0] <= 80 * 5 + 600
