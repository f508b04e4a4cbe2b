"""How many choices of limits give which verdict."""

from collections.abc import Sequence

import pandas as pd

from rac_ray.results.answers import Answers
from rac_ray.results.claims import Claim, Term, every
from rac_ray.results.findings import measure_all
from rac_ray.results.sensitivity import sensitivity_table, shown
from tests.results.synthetic import sweep


def counted(answers: Answers, readings: Sequence[tuple[Claim, ...]]) -> pd.DataFrame:
    claims = [claim for reading in readings for claim in reading]
    return sensitivity_table(measure_all(answers, claims, len(readings[0])), readings)


def below(limit: float) -> Claim:
    return Claim("low", "it is low", "here", every([limit], [Term("cnn3d", "2dot", "mnist", against=None)]))


RATIO = Claim("kept", "it keeps", "here", every([Term("cnn3d", "2dot", "mnist")], [0.5]))


def test_a_verdict_that_hangs_on_a_limit_is_counted_by_limit() -> None:
    answers = Answers.of(sweep(lambda *_: 0.4, models=("cnn3d",), sizes=(2, 8)), draws=100)
    table = counted(answers, [(below(limit), RATIO) for limit in (0.5, 0.45, 0.3)])
    expected = pd.DataFrame(
        [
            ("low", 9, "reproduced", "reproduced", 6, 6 / 9),
            ("low", 9, "reproduced", "contradicted", 3, 3 / 9),
            ("kept", 9, "reproduced", "reproduced", 9, 1.0),
        ],
        columns=["claim_id", "choices", "as_given", "outcome", "count", "share"],
    )
    pd.testing.assert_frame_equal(table, expected)
    assert shown(table)["verdicts"].tolist() == ["reproduced 6, contradicted 3", "reproduced 9"]


def test_the_share_of_trials_that_must_have_learned_is_one_of_the_choices() -> None:
    """A third of the trials guess: with three quarters asked for, a claim on ratios has not run."""
    answers = Answers.of(
        sweep(lambda _, size, *__: 0.1 if size == 2 else 0.7, models=("cnn3d",), sizes=(2, 8, 32)), draws=100
    )
    (ratio,) = counted(answers, [(RATIO,)]).query("outcome == 'not run'")["count"]
    assert ratio == 1


def test_no_claims_are_an_empty_table() -> None:
    assert len(shown(counted(Answers.of(sweep(lambda *_: 0.4, models=()), draws=2), [()]))) == 0
