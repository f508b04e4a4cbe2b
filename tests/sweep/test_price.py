"""The price of a plan from stored probes and records; the real probe is in tests/test_verbs.py."""

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from rac_ray.data.subject import ShardSubject
from rac_ray.sweep.axes import with_recipe
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.price import (
    OVERHEAD_SECONDS,
    START_SECONDS,
    Device,
    Price,
    Pricing,
    compared,
    device_of_trials,
    price_of,
    probe_key,
    this_device,
)
from rac_ray.sweep.probes import remember_probes
from rac_ray.training.probe import Probe
from rac_ray.training.task import Task
from tests.records import record_of, written
from tests.sweep.tiny_sweep import tiny_plan

PROBE = Probe("timesformer1 h=2", 8, 8, 0.5, 0.25, 700_000_000, "cpu")


def priced(plan: Plan, **pricing: float) -> tuple[Price, Packing]:
    packing = Packing(Machine(2))
    return price_of(plan, packing, plan.entries(), Pricing(0, **pricing), print, device=this_device()), packing


def store(plan: Plan) -> None:
    key = probe_key(plan.tasks[0], Packing(Machine(2)))
    remember_probes(plan.ledger.storage.above, platform.node(), {key: replace(PROBE, steps=key[2])})


def finished(plan: Plan, task: Task, **changes: Any) -> None:
    """A record of two epochs, of 40 seconds each, and of half a second for each of 48 clips that were evaluated."""
    seconds = {"to_first_step": 1.0, "training": 80.0, "evaluation": 24.0, "total": 107.0}
    record = record_of(task, epochs=2, seconds=seconds, peak_bytes=900_000_000, host=platform.node())
    evaluations = [msgspec.structs.replace(each, clips=8, correct=round(8 * each.top1)) for each in record.evaluations]
    written(plan.ledger, msgspec.structs.replace(record, **{"evaluations": evaluations, **changes}))


def test_without_probe_and_records_there_is_no_forecast_but_an_order(tmp_path: Path) -> None:
    price, _ = priced(tiny_plan(tmp_path, models=("timesformer1", "cnn3d")))
    assert price.forecast is None
    assert len(set(price.expected.values())) == 2
    assert price.lines()[0] == "6 trials are missing; no forecast without a probe or records"
    assert price.as_dict()["wall_seconds"] is None


def test_from_a_stored_probe(tmp_path: Path) -> None:
    """16 training, 8 validation and 6 x 8 evaluation clips, always 3 epochs: three trials on two cores."""
    plan = tiny_plan(tmp_path)
    store(plan)
    price, packing = priced(plan, price_per_hour=3600.0)
    one = OVERHEAD_SECONDS + 3 * (16 * 0.5 + 8 * 0.25) + 48 * 0.25
    assert list(price.expected.values()) == pytest.approx([one] * 3)
    assert price.forecast
    made = (16 + 8 + 5 * 8) / 1500 / 2
    assert price.forecast.wall_seconds.expected == pytest.approx(2 * one + START_SECONDS + made)
    assert price.forecast.busy_seconds.expected == pytest.approx(3 * one)
    assert price.as_dict()["money"]["expected"] == pytest.approx(price.forecast.wall_seconds.expected)
    assert packing.peaks == {"timesformer1 h=2": PROBE.peak_bytes}, "all trainings of a node share the clips"
    assert price.lines()[0] == "3 trials are missing; expected [95% interval] on 2 CPUs:"
    assert "at 3600/h" in price.lines()[3]
    assert price.disk.low < price.disk.expected < price.disk.high


def test_trials_of_other_recipes_are_priced_by_their_own(tmp_path: Path) -> None:
    """In whatever order their values are named."""
    plan = tiny_plan(tmp_path)
    store(plan)
    longer = [with_recipe(task, {"max_epochs": 30}, ["max_epochs"]) for task in plan.tasks]
    orders = ((plan.tasks, longer), (longer, plan.tasks))
    prices = [priced(replace(plan, tasks=(*one, *other)))[0] for one, other in orders]
    epoch = 16 * 0.5 + 8 * 0.25
    means = {3: 3.0, 30: sum(range(4, 31)) / 27}
    for price in prices:
        for task in (*plan.tasks, *longer):
            epochs = means[task.training.recipe.max_epochs]
            assert price.expected[task.training_id] == pytest.approx(OVERHEAD_SECONDS + epochs * epoch + 48 * 0.25)


def test_a_probe_is_of_its_clips_weights_and_precision(tmp_path: Path) -> None:
    """Of another study, or of larger clips, it says nothing."""
    plan = tiny_plan(tmp_path)
    task, packing = plan.tasks[0], Packing(Machine(2))
    other = [
        replace(task, subject=replace(cast(ShardSubject, task.subject), clip_shape=(20, 1, 128, 128))),
        with_recipe(task, {"optimiser": "adamw"}, []),
    ]
    keys = [probe_key(each, packing) for each in (task, *other)]
    assert keys[0] == probe_key(plan.tasks[1], packing)
    assert (len({key[:2] for key in keys}), len({key[2] for key in keys})) == (1, 3)


def test_a_group_that_shrinks_is_priced_on_a_machine_that_is_too_small_for_it(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path)
    packing = Packing(Machine(2), workers=4, fewest=1)
    key = probe_key(plan.tasks[0], packing)
    probe = replace(PROBE, batch_size=key[1], steps=key[2])
    remember_probes(plan.ledger.storage.above, platform.node(), {key: probe})
    price = price_of(plan, packing, plan.entries(), Pricing(0), print, device=this_device())
    assert price.forecast
    assert price.forecast.wall_seconds.expected > max(price.expected.values())


def test_a_machine_that_costs_nothing_is_priced_too(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path)
    store(plan)
    free, unpriced = priced(plan, price_per_hour=0.0)[0], priced(plan)[0]
    assert free.as_dict()["money"] == {"expected": 0.0, "low": 0.0, "high": 0.0}
    assert free.lines()[3] == "money: 0.00 [0.00, 0.00] at 0/h"
    assert unpriced.as_dict()["money"] is None
    assert not any(line.startswith("money") for line in unpriced.lines())


def test_paired_clips_are_priced(tmp_path: Path) -> None:
    """Ten more in each of the direction's five domains to make, and to evaluate each trial on."""
    prices = []
    for paired in (0, 10):
        plan = tiny_plan(tmp_path, paired_clips=paired)
        store(plan)
        prices.append(priced(plan)[0])
    without, price = prices
    assert without.forecast
    assert price.forecast
    assert set(price.expected) == set(without.expected)
    more = [new - old for new, old in zip(price.expected.values(), without.expected.values(), strict=True)]
    assert more == pytest.approx([5 * 10 * 0.25] * 3)
    walls = [each.wall_seconds.expected for each in (price.forecast, without.forecast)]
    assert walls[0] - walls[1] == pytest.approx(2 * 5 * 10 * 0.25 + 5 * 10 / 1500 / 2)


def test_records_of_the_same_class_on_the_same_machine_count_more_than_a_probe(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path)
    store(plan)
    finished(plan, plan.tasks[0])
    price, packing = priced(plan)
    assert len(price.expected) == 2
    per_eval, overhead = 24.0 / 48, 3.0
    mean_epochs = (2 + 2 * 3) / 3  # one record beside the three epochs of the recipe
    expected = overhead + mean_epochs * 40.0 + 48 * per_eval
    assert list(price.expected.values()) == pytest.approx([expected, expected])
    assert packing.peaks == {"timesformer1 h=2": 9e8}
    finished(plan, plan.tasks[0], host="elsewhere")
    assert max(priced(plan)[0].expected.values()) < 50, "a record of another machine does not count"


def test_a_sweep_with_new_evaluations_is_priced_without_training(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path)
    for task in plan.tasks:
        finished(plan, task)
    assert priced(plan)[0].expected == {}
    price, _ = priced(tiny_plan(tmp_path, paired_clips=10))
    assert price.expected.keys() == {task.training_id for task in plan.tasks}
    overhead, per_eval = 3.0, 24.0 / 48
    assert list(price.expected.values()) == pytest.approx([overhead + 5 * 10 * per_eval] * 3)


def test_what_has_no_weights_is_priced_with_its_training_and_all_evaluations(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path)
    for task in plan.tasks:
        finished(plan, task)
    first = plan.tasks[0]
    plan.ledger.folder(first.training_id).delete("best.ckpt")
    assert priced(plan)[0].expected == {}, "nothing is missing"
    price, _ = priced(tiny_plan(tmp_path, paired_clips=10))
    overhead, per_eval, per_epoch, seen = 3.0, 24.0 / 48, 40.0, 2
    evaluated = overhead + 5 * 10 * per_eval
    assert price.expected == pytest.approx(
        {task.training_id: evaluated for task in plan.tasks}
        | {first.training_id: evaluated + 6 * 8 * per_eval + seen * per_epoch}
    )
    assert (
        price.lines()[0]
        == "3 trials are missing (1 without weights: trained again); expected [95% interval] on 2 CPUs:"
    )
    assert price.as_dict()["trained_again"] == 1


def test_the_device_is_a_trials_own_without_a_probe_too(tmp_path: Path, local_ray: None) -> None:
    """As on a head without the GPU that trials get: its memory decides how many share one."""
    plan, told = tiny_plan(tmp_path), Device("a GPU", 8e10)
    packing = Packing(Machine(8, 1))
    price_of(plan, packing, plan.entries(), Pricing(0), print, device=told)
    assert packing.machine.gpu_memory == 8e10
    packing = Packing(Machine(2))
    price_of(plan, packing, plan.entries(), Pricing(0), print)
    assert packing.machine.gpu_memory == device_of_trials(packing).gpu_memory


def test_forecast_against_actual(tmp_path: Path) -> None:
    plan = tiny_plan(tmp_path)
    store(plan)
    price, _ = priced(plan)
    assert price.forecast
    wall = price.forecast.wall_seconds.expected
    assert compared(price, 1.2 * wall, 3)["ratio"] == pytest.approx(1.2)
    assert compared(price, wall, 2)["ratio"] is None, "not all of it was run"
