"""Forecasts against figures worked out by hand."""

import json
import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rac_ray.identity import Recipe, Training
from rac_ray.store.record import Record
from rac_ray.studies.temporal_shape.grid import PAPER_RECIPES
from rac_ray.sweep.forecast import (
    LEAST_SECONDS,
    SPEED_SD,
    ClassForecast,
    Cost,
    Interval,
    cost_from_records,
    epoch_bounds,
    expected_epochs,
    forecast,
    makespan,
    trial_seconds,
)
from tests.records import record_of, task_of

RECORDED = json.loads((Path(__file__).parents[2] / "benchmarks/forecasts.json").read_text())
ERRORS = [math.log(run["took_seconds"] / run["expected_seconds"]) for run in RECORDED]
A_SECOND_PER_EPOCH = Cost(seconds_per_train_clip=1, seconds_per_eval_clip=0, overhead_seconds=0, bytes=1)


def of_class(trials: int, **changes: Any) -> ClassForecast:
    """A class whose trials take as many seconds as epochs: 10, give or take 3, two side by side."""
    settings: dict[str, Any] = {
        "kind": "cnn3d h=4",
        "source": "2dot",
        "cost": A_SECOND_PER_EPOCH,
        "epochs_mean": 10,
        "epochs_sd": 3,
        "least_epochs": 1,
        "most_epochs": 1000,
        "train_clips": 1,
        "val_clips": 0,
        "eval_clips": 0,
        "share": 0.5,
    }
    return ClassForecast(trials=trials, **{**settings, **changes})


def record(training: float, evaluation: float = 0.4, other: float = 1.5, **changes: Any) -> Record:
    """Of five epochs, and 40 clips in two evaluations."""
    seconds = {"to_first_step": other, "training": training, "evaluation": evaluation}
    task = task_of(Training("cnn3d", 4, "2dot", 0, Recipe(precision="32"), "data"))
    first, second, _ = record_of(task).evaluations
    asked = ((first, 30), (second, 10))
    evaluations = [msgspec.structs.replace(each, clips=n, correct=round(n * each.top1)) for each, n in asked]
    settings = {"evaluations": evaluations, "peak_bytes": 1000, "epochs": 5, **changes}
    return record_of(task, seconds={**seconds, "total": sum(seconds.values())}, **settings)


def test_intervals() -> None:
    both = Interval(1, 2, 4) + Interval(10, 20, 40)
    assert both == Interval(11, 22, 44)
    assert both.scaled(0.5) == Interval(5.5, 11, 22)
    assert both.as_dict() == {"low": 11, "expected": 22, "high": 44}


def test_epochs_without_records_are_uniform_between_what_early_stopping_allows() -> None:
    assert epoch_bounds(PAPER_RECIPES["convlstm"]) == (11, 100)
    assert expected_epochs(PAPER_RECIPES["convlstm"], []) == pytest.approx((55.5, math.sqrt((90**2 - 1) / 12)))
    assert expected_epochs(Recipe(max_epochs=5, patience=10), []) == (5, 0)


def test_three_records_speak_for_themselves() -> None:
    assert expected_epochs(Recipe(), [20, 30, 40]) == (30, 10)


def test_fewer_records_are_mixed_with_the_uniform() -> None:
    """Epochs 2 or 3: a third of the weight lies on the record's 3, a third on each possibility."""
    recipe = Recipe(max_epochs=3, patience=1)
    assert expected_epochs(recipe, [3]) == pytest.approx((8 / 3, math.sqrt(2 / 9)))
    assert expected_epochs(recipe, [3, 3]) == pytest.approx((17 / 6, math.sqrt(5 / 36)))


def test_seconds_of_a_trial() -> None:
    cost = Cost(0.02, 0.01, 1.5, 0)
    sizes = {"train_clips": 100, "val_clips": 20, "eval_clips": 40}
    assert trial_seconds(cost, 5, **sizes) == pytest.approx(1.5 + 5 * (2 + 0.2) + 0.4)
    assert trial_seconds(cost, 5, **sizes, workers=2) == pytest.approx(1.5 + 5 * 1.1 + 0.2)


def test_records_give_back_the_cost_that_made_them() -> None:
    expected = pytest.approx((0.02, 0.01, 1.5, 1000))
    for records in (
        [record(11)],
        [record(11, peak_bytes=5000), record(99, 40, 90), record(11), record(1, 0.1, 0.5), record(11)],
        [record(5.5, evaluation=0.2, workers=2)],
        [record(11), record(2, attempt=2)],
    ):
        cost = cost_from_records(records, train_clips=100, val_clips=20)
        assert cost is not None
        found = (cost.seconds_per_train_clip, cost.seconds_per_eval_clip, cost.overhead_seconds, cost.bytes)
        assert found == expected


def test_records_that_tell_nothing() -> None:
    assert cost_from_records([], 100, 20) is None
    assert cost_from_records([record(11, attempt=2)], 100, 20) is None
    assert cost_from_records([record(11, evaluations=[])], 100, 20) is None


def test_training_takes_time_even_where_evaluation_ate_it() -> None:
    cost = cost_from_records([record(0.1, evaluation=40)], 100, 20)
    assert cost is not None
    assert cost.seconds_per_train_clip == LEAST_SECONDS


@pytest.mark.parametrize(
    ("durations", "shares", "expected"),
    [
        ([], [], 0),
        ([5], [1], 5),
        ([1] * 6, [1 / 3] * 6, 2),
        ([2, 3, 2, 3, 2], [0.5] * 5, 7),
        ([1] * 70, [1 / 7] * 70, 10),
        ([1, 1, 1], [3 / 8] * 3, 2),
        ([2, 3, 4], [0.5, 1, 0.5], 9),
        ([4, 1, 1, 1, 1], [0.5, 0.25, 0.25, 0.25, 0.25], 4),
    ],
)
def test_makespan(durations: list[float], shares: list[float], expected: float) -> None:
    assert makespan(durations, shares) == pytest.approx(expected)


def test_more_slots_never_take_longer_and_no_packing_beats_the_bounds() -> None:
    rng = random.Random(0)
    for _ in range(50):
        durations = [rng.uniform(0.1, 9) for _ in range(rng.randint(1, 40))]
        found = [makespan(durations, [1 / slots] * len(durations)) for slots in range(1, 12)]
        assert found[0] == pytest.approx(sum(durations))
        for slots, seconds in enumerate(found, start=1):
            assert seconds >= max(*durations, sum(durations) / slots) - 1e-9
        assert all(more <= fewer + 1e-9 for fewer, more in pairwise(found))


def test_trials_of_a_class_err_together() -> None:
    found = forecast([of_class(4)], fixed_seconds=100)
    half = 1.96 * math.hypot(4 * 3, SPEED_SD * 40)
    assert found.trials == 4
    assert list(found.busy_seconds.as_dict().values()) == pytest.approx([40 - half, 40, 40 + half])
    assert list(found.wall_seconds.as_dict().values()) == pytest.approx([120 - half / 2, 120, 120 + half / 2])
    assert found.machine_hours.expected == pytest.approx(20 / 3600)
    assert found.money(36).as_dict() == pytest.approx(found.wall_seconds.scaled(0.01).as_dict())


def test_classes_err_apart_and_their_speed_together() -> None:
    found = forecast([of_class(4), of_class(2, kind="cnn3d h=8", epochs_mean=20, epochs_sd=8)])
    half = 1.96 * math.hypot(4 * 3, 2 * 8, SPEED_SD * 80)
    assert list(found.busy_seconds.as_dict().values()) == pytest.approx([80 - half, 80, 80 + half])
    assert found.wall_seconds.expected == pytest.approx(40)


def test_known_epochs_leave_the_speed() -> None:
    found = forecast([of_class(4, epochs_sd=0, least_epochs=10, most_epochs=10)])
    slow, fast = 1 + 1.96 * SPEED_SD, 1 - 1.96 * SPEED_SD
    assert list(found.busy_seconds.as_dict().values()) == pytest.approx([40 * fast, 40, 40 * slow])


def test_the_interval_stays_within_what_early_stopping_allows() -> None:
    found = forecast([of_class(4, epochs_sd=50, least_epochs=9, most_epochs=12)])
    slow, fast = 1 + 1.96 * SPEED_SD, 1 - 1.96 * SPEED_SD
    assert list(found.busy_seconds.as_dict().values()) == pytest.approx([36 * fast, 40, 48 * slow])


def test_the_speed_is_as_uncertain_as_recorded_runs_were() -> None:
    """Or a little more, as they are few."""
    assert 1 <= SPEED_SD / (math.hypot(*ERRORS) / math.sqrt(len(ERRORS))) <= 1.25


def test_the_interval_holds_the_wall_time_in_19_of_20_cases() -> None:
    """Of simulated queues on two cores: each class has its own number of epochs, which its seeds have nearly; the
    machine is off by as much as a recorded run's, to either side."""
    rng = random.Random(0)
    held = 0
    for _ in range(400):
        classes, durations = [], []
        speed = math.exp(rng.choice((-1, 1)) * rng.choice(ERRORS))
        for number in range(rng.randint(1, 8)):
            most = rng.randint(3, 40)
            least = rng.randint(1, most)
            mean, sd = expected_epochs(Recipe(max_epochs=most, patience=least - 1 or 1), [])
            bounds = {"epochs_mean": mean, "epochs_sd": sd, "least_epochs": least, "most_epochs": most}
            classes.append(of_class(rng.randint(2, 12), kind=f"cnn3d h={number}", **bounds))
            own = rng.uniform(least, most)
            ran = [min(most, max(least, rng.gauss(own, 1))) for _ in range(classes[-1].trials)]
            durations += [speed * classes[-1].seconds(epochs) for epochs in ran]
        wall = forecast(classes, fixed_seconds=15).wall_seconds
        held += wall.low <= 15 + makespan(durations, [0.5] * len(durations)) <= wall.high
    assert held >= 0.95 * 400


def test_nothing_to_do_takes_what_is_fixed() -> None:
    for classes in ([], [of_class(0)]):
        found = forecast(classes, fixed_seconds=7)
        assert (found.trials, found.busy_seconds, found.wall_seconds) == (0, Interval(0, 0, 0), Interval(7, 7, 7))


def test_bounds_enclose_what_is_expected() -> None:
    rng = random.Random(1)
    for _ in range(200):
        recipe = Recipe(max_epochs=rng.randint(1, 300), patience=rng.randint(1, 100))
        least, most = epoch_bounds(recipe)
        classes = []
        for _ in range(rng.randint(1, 5)):
            mean, sd = expected_epochs(recipe, [rng.randint(least, most) for _ in range(rng.randint(0, 5))])
            epochs = {"epochs_mean": mean, "epochs_sd": sd, "least_epochs": least, "most_epochs": most}
            cost = Cost(rng.uniform(1e-5, 1), rng.uniform(1e-5, 1), rng.uniform(0, 9), 1)
            sizes = {"train_clips": 128, "val_clips": 32, "eval_clips": 96, "share": 1 / rng.randint(1, 8)}
            classes.append(of_class(rng.randint(1, 9), cost=cost, **epochs, **sizes))
        found = forecast(classes, fixed_seconds=rng.uniform(0, 20))
        for figure in (found.wall_seconds, found.busy_seconds, found.machine_hours, found.money(3.5)):
            assert 0 <= figure.low <= figure.expected <= figure.high < math.inf
        assert found.machine_hours.expected * 3600 <= found.wall_seconds.expected + 1e-6
        assert json.loads(json.dumps(found.as_dict()))["busy_seconds"] == found.busy_seconds.as_dict()
