"""Verdicts by p values over looks, on tables with a known truth."""

from typing import Any

import msgspec
import pandas as pd
import pytest

from rac_ray.results import verdicts
from rac_ray.results.answers import Answers
from rac_ray.results.claims import Claim, Term, every
from rac_ray.results.columns import P_VALUES
from rac_ray.results.look_table import look_rows
from rac_ray.results.over_looks import Seen, judge_over_looks, looks_in_words, of_seeds, seen_of
from rac_ray.results.verdicts import judge
from rac_ray.sweep.decisions import Budget, DecisionRecord, Look
from tests.results.synthetic import sweep


def ratio(model: str) -> Term:
    return Term(model, "2dot", "mnist")


BETTER = Claim("better", "ConvLSTM is more robust", "nowhere", every([ratio("convlstm")], [ratio("cnn3d")]))
SAME = Claim("same", "TimeSf-1 is more robust", "nowhere", every([ratio("timesformer1")], [ratio("cnn3d")]))
CLAIMS = (BETTER, SAME)


def truth(model: str, _size: int, _source: str, target: str) -> float:
    return 0.8 if target == "2dot" else 0.6 if model == "convlstm" else 0.4


@pytest.fixture(scope="module")
def answers() -> Answers:
    tables = sweep(truth, models=("convlstm", "cnn3d", "timesformer1"), sizes=(2, 8), seeds=range(8), clips=200)
    return Answers.of(tables, draws=100)


def record(looks: list[Look], **changes: Any) -> DecisionRecord:
    made = DecisionRecord(
        study="synthetic", preset="all", record_id="abc", cells={}, seeds=[0, 1, 2], trainings=["t1", "t2"],
        finished_before=0, claims=["better", "same"], alpha=0.05, spending="even", looks_at=[3, 5, 8],
        weights=[0.5, 0.25, 0.25], budget=Budget(trials=8, hours=None), looks=looks,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def look(claim: str, number: int, p: float, outcome: str = "underpowered") -> Look:
    return Look(
        claim=claim, look=number, seeds=[3, 5, 8][number - 1], p_for=p, p_against=1.0,
        p_for_paper=p / 2, p_against_paper=1.0, outcome=outcome,
    )  # fmt: skip


LOOKS = [
    look("better", 1, 0.02), look("same", 1, 0.4), look("better", 2, 0.005, "reproduced"), look("same", 2, 0.2),
]  # fmt: skip


def test_answers_of_some_seeds_are_those_of_a_sweep_that_has_no_others(answers: Answers) -> None:
    few = of_seeds(answers, range(3))
    assert sorted(set(few.trials["seed"])) == [0, 1, 2]
    alone, whole = (verdicts.by_itself(each, BETTER, 2) for each in (few, answers))
    assert (alone.measurements[0].paper.seeds, whole.measurements[0].paper.seeds) == (3, 8)
    ratios = {
        model: answers.relative(("mnist", "test"), "source_val", answers.places(model=model))[0].reshape(2, 8)
        for model in ("convlstm", "cnn3d")
    }
    expected = (ratios["convlstm"] - ratios["cnn3d"])[:, :3].mean()
    assert alone.measurements[0].paper.effect.estimate == pytest.approx(expected), (
        "sizes by seeds, of which three count"
    )


def test_p_values_are_over_looks_then_over_claims(answers: Answers) -> None:
    seen = seen_of(look_rows([record(LOOKS)], {"t2": "trial"}))
    assert {name: (each.seeds, each.ruling) for name, each in seen.items()} == {
        "better": ((0, 1, 2, 3, 4), "reproduced"),
        "same": ((0, 1, 2, 3, 4), "underpowered"),
    }
    assert [seen[name].p_values["p_for"] for name in ("better", "same")] == pytest.approx([0.005 / 0.25, 0.4 / 0.5])
    better, same = judge_over_looks(answers, CLAIMS, seen)
    assert (better.p_for, same.p_for) == pytest.approx((0.04, 0.8)), "Holm doubles the smaller one"
    assert (better.outcome, same.outcome) == ("reproduced", "underpowered")
    assert better.measurements[0].paper.seeds == 5, "the effect is that of the look which decided it"


def test_without_a_look_nothing_is_decided_however_clear_it_is(answers: Answers) -> None:
    assert judge(answers, CLAIMS)[0].outcome == "reproduced"
    rows = look_rows([record([])], {"t1": "trial"})
    assert rows["look"].tolist() == [0, 0]
    found = judge_over_looks(answers, CLAIMS, seen_of(rows))
    assert {each.outcome for each in found} == {"underpowered"}
    assert {each.p_for for each in found} == {1.0}
    assert {each.measurements[0].paper.seeds for each in found} == {3}, "what is shown is of the plan's seeds"


def test_what_was_decided_stays_and_what_was_not_declared_has_not_run(answers: Answers) -> None:
    large, small = ({str(name): p for name in P_VALUES} for p in (0.9, 0.01))
    kept = judge_over_looks(answers, [SAME], {"same": Seen((0, 1, 2), large, "contradicted")})
    assert [each.outcome for each in kept] == ["contradicted"]
    (other,) = judge_over_looks(answers, [SAME], {"better": Seen((0, 1, 2), small)})
    assert (other.outcome, other.lacking) == ("not run", "it was not declared before the first look")


def test_records_of_other_trials_are_left_out() -> None:
    assert look_rows([record(LOOKS)], {"elsewhere": "trial"}).empty
    assert look_rows([record(LOOKS)], {"t2": "trial"})["trial_id"].unique().tolist() == ["trial"]


@pytest.mark.parametrize(
    ("looks", "ended", "said"),
    [
        (LOOKS, "", {"better": "decided at look 2 of 3 (5 seeds), p over looks",
                     "same": "not decided at look 2 of 3 (5 seeds), p over looks"}),
        (LOOKS, "no money", {"same": "undecided within the budget of 8 trials: look 2 of 3 (5 seeds), p over looks"}),
        ([look("same", 3, 0.5)], "over", {"same": "undecided at the last look: look 3 of 3 (8 seeds), p over looks"}),
        ([], "", {"same": "not looked at yet, the first of 3 looks is to come"}),
    ],
)  # fmt: skip
def test_each_claim_is_told_where_it_stands(looks: list[Look], ended: str, said: dict[str, str]) -> None:
    rows: pd.DataFrame = look_rows([record(looks, ended=ended)], {"t1": "trial"})
    words = looks_in_words(rows)
    assert {name: words[name] for name in said} == said
