"""Verdicts err as rarely as they say, on simulated sweeps with fixed seeds."""

from collections.abc import Sequence

import pytest
from scipy.stats import binom

from benchmarks.calibration import FAMILY, Tally, error_table, main, power_table, tally
from benchmarks.worlds import NULLS, World, almost, at_the_limits, corrected, different, equal
from rac_ray.errors import BadInput
from rac_ray.results.answers import Answers
from rac_ray.results.claims import Claim
from rac_ray.results.verdicts import Verdict
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE

LEVEL = 0.05
BY_LUCK = 0.001
"""How often verdicts of exactly the level would exceed the bound: it is this quantile of the binomial distribution."""
DROP = next(claim for claim in TEMPORAL_SHAPE if claim.claim_id == "ts-mnist-drop")


def bound(sweeps: int) -> float:
    return float(binom.isf(BY_LUCK, sweeps, LEVEL)) / sweeps


def always(outcome: str):
    """A judge that looks at nothing."""

    def judged(_: Answers, claims: Sequence[Claim]) -> list[Verdict]:
        return [Verdict(claim, outcome, ()) for claim in claims]  # type: ignore[arg-type]

    return judged


def test_a_judge_that_reproduces_everything_is_always_wrong_where_nothing_differs() -> None:
    found = tally(equal(), 3, draws=5, claims=[DROP], judged=always("reproduced"))
    assert (found.rate(FAMILY, "reproduced"), found.rate(DROP.claim_id, "reproduced")) == (1.0, 1.0)
    assert found.rate(FAMILY, "contradicted") == 0.0
    assert "wrongly reproduced" in error_table([found], [DROP])
    assert "| equal | 5 | 100.0 ± 17.1; most: ts-mnist-drop 100.0 |" in error_table([found], [DROP])


def test_what_is_true_is_no_error() -> None:
    found = tally(different(), 3, draws=5, claims=[DROP], judged=always("reproduced"))
    assert found.rate(FAMILY, "reproduced") == 0.0
    assert power_table([found], [DROP]).splitlines()[-1] == "| ts-mnist-drop | 100.0 ± 17.1 |"
    none = Tally(corrected(), 5, 1)
    assert power_table([none], [DROP]).splitlines()[-1] == "| ts-mnist-drop | - |"


def test_without_differences_claims_are_seldom_decided() -> None:
    """Over all claims at most in 5 of 20 sweeps: the 99.9 % quantile of the binomial distribution of 5 %."""
    found = tally(equal(), 20)
    assert found.rate(FAMILY, "reproduced") <= bound(20)
    assert found.rate(FAMILY, "contradicted") <= bound(20)


@pytest.mark.slow
@pytest.mark.parametrize("world", [*(null() for null in NULLS), almost(), at_the_limits()], ids=lambda each: each.name)
def test_confounders_decide_no_claim(world: World) -> None:
    """At most 13 of 100 sweeps, over all claims, likewise."""
    found = tally(world, 100)
    assert found.rate(FAMILY, "reproduced") <= bound(100)
    assert found.rate(FAMILY, "contradicted") <= bound(100)


def test_numbers_have_to_be_positive() -> None:
    with pytest.raises(BadInput, match="--sweeps 0: must be at least 1"):
        main(["--sweeps", "0"])
