"""Declarations, looks and additions, on records that tests write in place of trainings."""

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rac_ray import api
from rac_ray.errors import BadInput
from rac_ray.results.analysis import Analysis
from rac_ray.results.claims import Claim, Term, every
from rac_ray.results.tables import load
from rac_ray.store.record import Damaged
from rac_ray.sweep import deciding
from rac_ray.sweep.asked import Which, planned
from rac_ray.sweep.decisions import (
    Budget,
    Deciding,
    DecisionBook,
    DecisionRecord,
    by_cell,
    cells_of,
    serves,
    with_seed,
)
from rac_ray.sweep.declaring import declaration
from rac_ray.sweep.outcomes import Results
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from tests.records import record_of
from tests.results.conftest import write
from tests.sweep.tiny_deciding import BOUND, DECIDED, RIVALS, STUDY, Claiming, places, top1

TEN = Deciding(until_decided=True, budget_trials=10)


def even(model: str, seed: int) -> float:
    """Models between which nothing is to be decided: the better one by turns."""
    return 0.5 + (0.1 if (seed % 2 == 0) == (model == "cnn3d") else 0.0)


def better(model: str, seed: int) -> float:
    """The transformer is better by little for some seeds, and by more for others."""
    return 0.5 + (0.1 * (1 + seed % 2) if model == "timesformer1" else 0.0)


class Machine:
    """Trains nothing: writes what trainings would leave, and counts them."""

    def __init__(self, truth: Callable[[str, int], float]) -> None:
        self.truth = truth
        self.trained: list[str] = []
        self.stop_after: int | None = None
        """Trainings after which it is interrupted."""

    def __call__(self, plan: Plan, _resources: Resources, _say: Any, listeners: Any = ()) -> str:
        plan.ledger.register(plan.tasks, plan.entries(), plan.study.name)
        for task in plan.missing(plan.entries()):
            if len(self.trained) == self.stop_after:
                return "interrupted"
            score = self.truth(task.training.model, task.training.seed)
            write(plan.ledger, record_of(task, {"2dot/test": score, "2dot/val": 0.8}))
            self.trained.append(task.training_id)
        return ""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(even)
    monkeypatch.setattr(deciding, "run_plan", made)
    monkeypatch.setattr(deciding, "ray_session", lambda *_: nullcontext())
    return made


def plan_in(folder: Path, **asked: Any) -> Plan:
    return planned(STUDY, "all", places(folder), Which(precision="32"), asked, None)


def run(folder: Path, asked_for: Deciding = TEN, lines: list[str] | None = None, **asked: Any) -> str:
    """The loop alone: nothing is shown at its end."""
    say = (lines if lines is not None else []).append

    def again() -> Plan:
        return plan_in(folder, **asked)

    return deciding.run_until_decided(again(), again, asked_for, Resources(), say)


def run_and_show(folder: Path, asked_for: Deciding = TEN, only: str | None = None, **asked: Any) -> Results:
    which = Which(precision="32", only=only)
    return api.run(STUDY, where=places(folder), which=which, deciding=asked_for, say=lambda _line: None, **asked)


def record_in(folder: Path) -> DecisionRecord:
    (record,) = DecisionBook(plan_in(folder).sweep).all()
    return record


def test_added_seeds_are_what_the_study_would_make_of_them(tmp_path: Path) -> None:
    plan, more = plan_in(tmp_path), plan_in(tmp_path, seeds=[0, 1, 2, 3, 9])
    made = {with_seed(task, seed).training_id for task in plan.tasks for seed in (3, 9)}
    assert made == {task.training_id for task in more.tasks} - {task.training_id for task in plan.tasks}


def test_further_seeds_count_up_from_zero_past_those_of_the_plan(tmp_path: Path) -> None:
    record = msgspec.structs.replace(declaration(plan_in(tmp_path), TEN), seeds=[42, 1, 3])
    assert record.first_seeds(7) == [42, 1, 3, 0, 2, 4, 5]
    assert record.first_seeds(2) == [42, 1]


def test_the_cells_of_a_claim_are_all_that_its_figures_stand_on(tmp_path: Path) -> None:
    cells = by_cell(plan_in(tmp_path, hidden_units=[2, 4]).tasks)
    names = {cell: tasks[0].training.name for cell, tasks in cells.items()}
    assert [names[cell] for cell in cells_of(BOUND, cells)] == ["cnn3d h=2 2dot seed=0", "cnn3d h=4 2dot seed=0"]
    assert len(cells_of(RIVALS, cells)) == 4
    small = Claim("small", "", "", every([1.5], [replace(top1("cnn3d"), sizes=(4,))]))
    assert [names[cell] for cell in cells_of(small, cells)] == ["cnn3d h=4 2dot seed=0"]
    one_is_missing = Claim("no", "", "", every([top1("convlstm")], [top1("cnn3d")]))
    assert cells_of(one_is_missing, cells) == []
    task = cells[cells_of(BOUND, cells)[0]][0]
    assert not serves(task, Term("cnn3d", "2dot", "t", experiments="ab")), "a study without experiments has none"


def test_seeds_are_added_until_the_budget_is_spent(machine: Machine, tmp_path: Path) -> None:
    lines: list[str] = []
    run(tmp_path, lines=lines)
    record = record_in(tmp_path)
    assert (record.looks_at, record.claims) == ([3, 5, 8, 13], ["rivals", "bound"])
    assert [(each.claim, each.look, each.seeds) for each in record.added] == [
        ("rivals", 2, [3, 4]),
        ("rivals", 3, [5, 6, 7]),
    ]
    assert len(machine.trained) == len(set(machine.trained)) == 16
    assert [(each.claim, each.look, each.seeds) for each in record.looks] == [
        ("rivals", 1, 3), ("bound", 1, 3), ("rivals", 2, 5), ("rivals", 3, 8),
    ]  # fmt: skip
    assert record.ended == "the budget of 10 trials does not pay for a next look; undecided: rivals"
    said = [line for line in lines if line.startswith("until decided")]
    assert said[1] == "until decided: bound is reproduced at look 1 of 4 (3 seeds)"
    assert said[2].startswith("until decided: rivals gets seeds 3, 4 for its look 2 (4 trials): ")


def test_results_say_of_each_claim_at_which_look_it_stands(machine: Machine, tmp_path: Path) -> None:
    results = run_and_show(tmp_path)
    text = " ".join("\n".join(results.lines()).split())
    assert "decided at look 1 of 4 (3 seeds), p over looks" in text
    assert "undecided within the budget of 10 trials: look 3 of 4 (8 seeds), p over looks" in text
    assert "2 of 3 claims could be tested; p values are corrected over these, and over looks" in text
    assert (results.code, results.counts["planned"], results.counts["done"]) == (0, 16, 16)
    assert {sheet.name for sheet in results.analysis.sheets} >= {"looks", "claims"}


def test_it_ends_when_every_claim_is_decided(machine: Machine, tmp_path: Path) -> None:
    machine.truth = better
    run(tmp_path, replace(TEN, budget_trials=60))
    record = record_in(tmp_path)
    assert record.ended == "every claim is decided"
    at = next(each for each in record.looks if each.claim == "rivals" and each.outcome == "reproduced")
    assert 1 < at.look < len(record.looks_at), "later than at once, and earlier than at last"
    analysis = Analysis(load(tmp_path / "results/tiny"), STUDY)
    verdict = next(each for each in analysis.verdicts if each.claim.claim_id == "rivals")
    assert (verdict.outcome, verdict.measurements[0].paper.seeds) == ("reproduced", at.seeds)
    assert verdict.p_for == pytest.approx(
        min(1.0, min(each.p_for / record.weights[each.look - 1] for each in record.history("rivals"))), rel=1e-9
    ), "the other claim's is smaller, so that Holm leaves this one as it is"


def test_the_same_command_again_adds_nothing_and_more_budget_goes_on(machine: Machine, tmp_path: Path) -> None:
    run(tmp_path)
    before, count = record_in(tmp_path), len(machine.trained)
    run(tmp_path)
    assert (record_in(tmp_path), len(machine.trained)) == (before, count)
    run(tmp_path, replace(TEN, budget_trials=25))
    after = record_in(tmp_path)
    assert after.looks[:4] == before.looks
    assert after.looks_at == before.looks_at, "a larger budget does not move the looks"
    assert len(after.trials_added) == 20
    assert after.ended == "no look is left; undecided: rivals"


@pytest.mark.parametrize("moment", [0, 5, 6, 7, 9, 10, 13, 15, 16])
def test_wherever_it_was_interrupted_it_comes_to_the_same(moment: int, machine: Machine, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    machine.trained, machine.stop_after = [], moment
    assert run(tmp_path / "cut") == ("interrupted" if moment < 16 else "")
    machine.stop_after = None
    assert run(tmp_path / "cut") == ""
    assert record_in(tmp_path / "cut") == record_in(tmp_path / "whole")
    assert len(machine.trained) == len(set(machine.trained)) == 16


def test_what_was_declared_is_written_before_anything_runs(machine: Machine, tmp_path: Path) -> None:
    machine.stop_after = 0
    run(tmp_path)
    record = record_in(tmp_path)
    assert (record.looks, record.added, record.finished_before, len(record.trainings)) == ([], [], 0, 6)
    run(tmp_path)
    assert record_in(tmp_path).trainings == record.trainings


def test_a_killed_write_leaves_the_last_look(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look and its record there is nothing; without the record the look is taken again, and is the same."""
    write_it, written = DecisionBook.write, []

    def once(book: DecisionBook, record: DecisionRecord) -> None:
        written.append(record)
        if len(written) == 2:
            raise KeyboardInterrupt
        write_it(book, record)

    monkeypatch.setattr(DecisionBook, "write", once)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert record_in(tmp_path).looks == []
    run(tmp_path)
    assert written[3] == written[1]


def test_every_verb_sees_what_was_added(machine: Machine, tmp_path: Path) -> None:
    run(tmp_path)
    where, which = places(tmp_path), Which(precision="32")
    status = api.status(STUDY, where=where, which=which)
    assert status.counts["planned"] == status.counts["done"] == 16
    assert (
        "until decided: 1 of 2 claims are decided after 10 added trials of a budget of 10 trials" in status.lines()[2]
    )
    assert len(plan_in(tmp_path, models=["cnn3d"]).tasks) == 8, "of these models, all seeds"
    assert len(plan_in(tmp_path, seeds=[0, 1]).tasks) == 4, "these seeds and no others"
    added = record_in(tmp_path).trials_added[0]
    assert api.describe(STUDY, added, where=where, which=which).folder.endswith(added)
    shown = api.results(STUDY, where=where, which=which, wanted=api.Wanted(verdict=True))
    assert [row["outcome"] for row in shown.value()["verdicts"]] == ["underpowered", "reproduced", "not run"]
    assert load(tmp_path / "results/tiny").looks["claim_id"].tolist() == ["rivals"] * 3 + ["bound"]


def test_a_plan_tells_what_it_adds_at_most(machine: Machine, tmp_path: Path) -> None:
    where, which = places(tmp_path), Which(precision="32")
    before = api.plan(STUDY, where=where, which=which, deciding=TEN)
    assert before.lines()[-2:] == [
        "until decided: looks at 3, 5, 8, 13 seeds, which may spend 23%, 15%, 23%, 38% of the level (even); "
        "0 of 2 claims are decided after 0 added trials of a budget of 10 trials",
        "until decided: at most 10 more trials; 20 would take every claim to its last look",
    ]
    assert not (tmp_path / "results").exists(), "a plan writes nothing"
    run(tmp_path)
    after = api.plan(STUDY, where=where, which=which)
    assert after.lines()[-1].startswith("until decided: at most 0 more trials; 10 would take")
    assert after.value()["until_decided"] == list(after.decisions)


def test_hours_are_counted_by_what_trials_took(machine: Machine, tmp_path: Path) -> None:
    """Each took 10.6 s: four of them fit into a minute, ten do not."""
    run(tmp_path, Deciding(until_decided=True, budget_hours=1 / 60))
    record = record_in(tmp_path)
    assert len(record.trials_added) == 4
    assert record.looks_at == [3, 5, 8, 12, 20]
    assert record.ended == "the budget of 0.0166667 h does not pay for a next look; undecided: rivals"
    told = api.plan(STUDY, where=places(tmp_path), which=Which(precision="32"))
    assert "at most 1 more trial, 0.0029 h of trial time; 30 would take" in told.lines()[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget_trials": None}, "--until-decided has no budget; valid: with --budget-trials, --budget-hours or both"),
        ({"until_decided": False}, "--budget-trials is for --until-decided, which is not given"),
        ({"until_decided": False, "budget_trials": None, "most_seeds": 9}, "--most-seeds is for --until-decided"),
    ],
)
def test_flags_that_need_each_other_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(TEN, **changes)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"only": "seed=0"}, "--until-decided with --only 'seed=0'; valid: options of the grid"),
        ({"tune": ["learning_rate=log(1e-4,1e-1)"]}, "--until-decided follows one recipe, and --tune makes a second"),
        ({"learning_rate": [0.1, 0.2]}, "--until-decided follows one recipe of the same clips, and 2 are asked for"),
        ({"spec": ["released", "paper"]}, "--until-decided follows one recipe of the same clips, and 2 are asked for"),
        ({"models": ["timesformer1"]}, "its models and sources test none of the 3 claims"),
    ],
)
def test_what_cannot_be_declared_is_named(
    asked: dict[str, Any], message: str, machine: Machine, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=message):
        run_and_show(tmp_path, **asked)
    assert machine.trained == []
    assert not (tmp_path / "results").exists()


def test_a_study_without_claims_is_named(tmp_path: Path) -> None:
    class Silent(Claiming):
        claims = ()

    plan = planned(Silent("tiny", {"all": DECIDED}, "all"), "all", places(tmp_path), Which(precision="32"), {}, None)
    with pytest.raises(BadInput, match="--until-decided, but study 'tiny' has no claims; valid: a study that has some"):
        declaration(plan, TEN)


@pytest.mark.parametrize(
    ("asked_for", "asked", "message"),
    [
        (replace(TEN, budget_trials=9), {}, "declares a budget of 10 trials, and 9 trials is less; valid: as much, or"),
        (replace(TEN, budget_hours=1.0), {}, "declares a budget of 10 trials, and 10 trials and 1 h is less"),
        (replace(TEN, most_seeds=30), {}, "declares looks at 3, 5, 8, 13 seeds, .*, and not 30 as most; valid: as it"),
        (TEN, {"seeds": [0, 1, 2, 30]}, "declares the seeds 0,1,2, and not 0,1,2,30; valid: as it was declared, or"),
        (TEN, {"hidden_units": [2, 4]}, "declares 2 models and sizes, and not just these 4; valid: as it was"),
    ],
)
def test_a_changed_declaration_is_never_mixed_in(
    asked_for: Deciding, asked: dict[str, Any], message: str, machine: Machine, tmp_path: Path
) -> None:
    run(tmp_path)
    before, count = record_in(tmp_path), len(machine.trained)
    with pytest.raises(BadInput, match=message):
        run(tmp_path, asked_for, **asked)
    assert (record_in(tmp_path), len(machine.trained)) == (before, count)


def test_budgets_in_words_and_in_order() -> None:
    trials, both = Budget(trials=10, hours=None), Budget(trials=10, hours=2.0)
    assert (trials.words, both.words, Budget(trials=None, hours=0.5).words) == (
        "10 trials",
        "10 trials and 2 h",
        "0.5 h",
    )
    assert (trials.covers(both), both.covers(trials), trials.covers(trials)) == (True, False, True)
    assert (both.pays(10, 2.0), both.pays(11, 0.0), both.pays(1, 2.1)) == (True, False, False)


def test_a_file_that_is_no_record_of_decisions_is_named(machine: Machine, tmp_path: Path) -> None:
    run(tmp_path)
    (path,) = (tmp_path / "results/tiny/decisions").iterdir()
    book, record = DecisionBook(plan_in(tmp_path).sweep), record_in(tmp_path)
    book.write(msgspec.structs.replace(record, schema=9))
    with pytest.raises(Damaged, match=f"{path.name} has schema 9; valid: 1"):
        plan_in(tmp_path)
    path.write_text("{")
    with pytest.raises(Damaged, match=f"{path.name} is not the record of decisions"):
        plan_in(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": [1.0]}, "looks, and 1 weights of looks"),
        ({"looks_at": [10**9]}, "<= 1000"),
        ({"claims": ["another"]}, "a look at 'rivals', which it does not declare"),
        ({"looks_at": [2, 3, 4, 5]}, "a look 1 at 3 seeds, which it does not declare"),
        ({"weights": [0.0] * 4}, "> 0.0"),
        ({"alpha": 2.0}, "<= 1.0"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_declaration_whose_parts_do_not_fit_is_named(
    changes: dict[str, Any], said: str, machine: Machine, tmp_path: Path
) -> None:
    run(tmp_path)
    (path,) = (tmp_path / "results/tiny/decisions").iterdir()
    written = msgspec.to_builtins(record_in(tmp_path))
    path.write_text(json.dumps({**written, **changes}))
    with pytest.raises(Damaged, match=f"{path.name} is not the record of decisions: .*{re.escape(said)}"):
        plan_in(tmp_path)


def test_a_last_look_at_more_seeds_than_anybody_runs_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^--most-seeds is 1001; valid: at most 1000$"):
        Deciding(until_decided=True, budget_trials=4, most_seeds=1001)
