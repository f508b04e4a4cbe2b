"""What verbs come to: exit codes, lines for people, and JSON that can be read again."""

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from rac_ray.store.entry import STATES, State
from rac_ray.sweep.forecast import Interval
from rac_ray.sweep.outcomes import (
    Planned,
    Results,
    Status,
    TrialStatus,
    as_text,
    exit_code,
)
from rac_ray.sweep.price import Price
from rac_ray.sweep.progress_file import Going, Progress

NONE = dict.fromkeys(STATES, 0)


def trials_in(*states: State) -> list[TrialStatus]:
    """A trial in each state, with a reason where it is not done."""
    return [
        TrialStatus(f"t{number}", f"t{number}", f"model seed={number}", state, "" if state == "done" else "why", 1, 9)
        for number, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({}, 0),
        ({"done": 3, "unreached": 2}, 0),
        ({"done": 3, "pending": 1}, 3),
        ({"running": 1}, 3),
        ({"failed": 1}, 1),
        ({"failed": 1, "pending": 5, "running": 1}, 1),
    ],
)
def test_failed_trials_count_more_than_those_that_have_not_run(counts: dict[str, int], code: int) -> None:
    assert exit_code({**NONE, **counts}) == code


def test_every_trial_is_counted_in_its_state() -> None:
    status = Status(trials_in("done", "failed", "done", "unreached", "pending", "running"), None, None)
    assert status.counts == {"planned": 6, "done": 2, "unreached": 1, "failed": 1, "running": 1, "pending": 1}
    assert status.invariant == "6 trials planned = 2 done + 1 unreached + 1 failed + 1 running + 1 pending"
    assert (
        Status(trials_in("done"), None, None).invariant == "1 trial planned = 1 done + 0 failed + 0 running + 0 pending"
    )
    assert set(get_args(State)) == set(STATES)
    lost: Any = "lost"
    with pytest.raises(AssertionError, match="2, "):
        _ = Status(trials_in("done", lost), None, None).counts


def test_a_status_names_what_needs_a_look_and_all_that_is_open_when_asked() -> None:
    trials = trials_in("done", "pending", "failed", "unreached", "running")
    brief = Status(trials, "me since noon", "grid-1 at http://head:8265: RUNNING")
    told = ["t2  failed   model seed=2: why", "t3  unreached model seed=3: why", "t4  running  model seed=4: why"]
    assert brief.lines() == [
        brief.invariant, "driver: me since noon", "job: grid-1 at http://head:8265: RUNNING", *told,
    ]  # fmt: skip
    whole = Status(trials, None, None, verbose=True)
    assert whole.lines() == [whole.invariant, "driver: none", "t1  pending  model seed=1: why", *told]
    progress = Progress(
        "a driver", "about 4.1 min left", {"t4": Going(3, 20, 0.4512, 126.0), "t1": Going(1, 2, 0.5, 0.0)}
    )
    going = Status(trials, "me", None, progress=progress)
    how_far = "t4  running  model seed=4: why, epoch 3/20, best 45.1%, at most 2.1 min left"
    assert going.lines()[2:] == ["time left: about 4.1 min left", *told[:2], how_far]
    assert going.value()["progress"]["trainings"]["t4"]["best_val_top1"] == 0.4512
    assert (brief.code, Status(trials[:2], None, None).code) == (1, 3)
    assert json.loads(as_text(brief, as_json=True))["trials"][2] == {
        "trial_id": "t2", "training_id": "t2", "name": "model seed=2", "state": "failed", "reason": "why",
        "attempts": 1, "bytes": 9,
    }  # fmt: skip


def test_a_plan_says_when_a_training_serves_several_trials() -> None:
    price = Price(None, {"t1": 5.0}, {}, Interval(1e6, 2e6, 3e6), "2 CPUs")
    trials = trials_in("done", "pending")
    rows = ["t0  done     model seed=0", "t1  pending  model seed=1"]
    counted = "2 trials planned = 1 done + 0 failed + 0 running + 1 pending; digits=mnist; masks=none"
    costs = ["1 trial is missing; no forecast without a probe or records", "disk: 2.0 MB more [1.0, 3.0]"]
    plan = Planned(trials, (1, 2), {"digits": "mnist", "masks": "none"}, price, ["a note"])
    assert plan.lines() == [counted, *costs, "a note"]
    assert replace(plan, listed=True).lines() == [counted, *costs, "a note", *rows]
    shared = Planned(trials, (1, 1), {}, price)
    assert shared.lines()[1] == "trainings missing: 1 of 1; each serves several trials"
    assert (plan.code, plan.value()["digits"], plan.value()["forecast"]["trials"]) == (0, "mnist", 1)
    assert Planned([], (0, 0), {}, Price(None, {}, {}, Interval(0, 0, 0), "2 CPUs")).lines() == [
        "0 trials planned = 0 done + 0 failed + 0 running + 0 pending", "nothing is missing",
        "disk: 0.0 MB more [0.0, 0.0]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stopped", "pending", "code"),
    [("", 0, 0), ("interrupted", 0, 130), ("interrupted", 2, 130), ("the disk is nearly full", 2, 3), ("", 2, 3)],
)
def test_results_of_an_interrupted_run_say_so(stopped: str, pending: int, code: int) -> None:
    nothing: Any = None
    assert Results(nothing, "folder", {**NONE, "pending": pending}, {}, [], stopped).code == code
