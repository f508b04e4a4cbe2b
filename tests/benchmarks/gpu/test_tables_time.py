from typing import Any

from benchmarks.gpu.tables_time import (
    epochs_table,
    packing_table,
    price_table,
    speed_table,
    stacked_epochs_table,
    stacked_speed_table,
)
from rac_ray.identity import Recipe, Training


def speed(side: str, ms: float, **more: Any) -> dict[str, Any]:
    key = {"section": "speed", "model": "cnn3d", "hidden_units": 8, "side": side}
    return {**key, "ms": ms, "clips_per_second": 64000 / ms, "peak_bytes": 2e9, **more}


def test_speed_is_set_against_plain_and_kernels_against_time() -> None:
    rows = [speed("plain", 8.0), speed("eager", 4.0), speed("graphs", 2.0)]
    kernels = {"section": "speed", "model": "cnn3d", "hidden_units": 8, "kernels": 120.0, "busy_ms": 1.5}
    rows += [{**kernels, "side": side} for side in ("plain", "eager", "graphs")]
    assert speed_table(rows).splitlines()[2] == (
        "| cnn3d | 8 | 8.00 | 4.00 | 2.00 | 8,000 | 16,000 | 32,000 | 2.00 | 4.00 | 120 | 120 "
        "| 19% | 38% | 75% | 2.00 | 2.00 | 2.00 |"
    )


def test_what_was_not_measured_is_a_dash() -> None:
    rows = [speed("plain", 8.0), {**speed("graphs", 2.0), "error": "RuntimeError: no"}]
    line = speed_table(rows).splitlines()[2]
    assert line == "| cnn3d | 8 | 8.00 | - | - | 8,000 | - | - | - | - | - | - | - | - | - | 2.00 | - | - |"


def test_stacked_seeds_are_set_against_the_same_steps_of_one() -> None:
    rows = [speed("plain", 8.0), speed("eager", 4.0), speed("graphs", 2.0)]
    rows += [
        speed("stacked", 5.0, seeds=5, clips_per_second=64000.0, refused=False),
        speed("stacked graphs", 4.0, seeds=5, clips_per_second=80000.0, refused=True, kernels=130.0, busy_ms=3.0),
    ]
    assert stacked_speed_table(rows).splitlines()[2] == (
        "| cnn3d | 8 | 5 | 5.00 | 4.00 | 64,000 | 80,000 | 4.00 | 2.50 | 10.00 | - | 130 | - | 75% | 2.00 | 2.00 | no |"
    )
    rows = [speed("graphs", 2.0), {**speed("stacked graphs", 4.0), "error": "OutOfMemoryError: no"}]
    assert stacked_speed_table(rows).splitlines()[2] == f"| cnn3d | 8{' | -' * 15} |"


def epoch(seeds: int, graphs: bool, together: float, **more: Any) -> dict[str, Any]:
    key = {"section": "epochs", "model": "cnn3d", "hidden_units": 8, "seeds": seeds, "graphs": graphs}
    return {**key, "seconds": together / seeds, "seconds_together": together, "seconds_first": 9.0, **more}


def test_epochs_of_one_seed_and_of_several() -> None:
    rows = [epoch(1, True, 2.0), epoch(1, False, 4.0), epoch(5, True, 5.0, peak_bytes=3e9)]
    assert epochs_table(rows).splitlines()[2] == "| cnn3d | 8 | 4.000 | 2.000 | 9.00 | 9.00 |"
    assert stacked_epochs_table(rows).splitlines()[2] == (
        "| cnn3d | 8 | 5 | - | 5.000 | - | 1.000 | - | 2.00 | - | 9.00 | - | 3.00 |"
    )


def test_processes_side_by_side_and_why_mps_is_missing() -> None:
    key = {"section": "packing", "mps": False, "model": "cnn3d", "side": "eager"}
    rows = [{**key, "processes": count, "clips_per_second": 1000.0 * count} for count in (1, 2)]
    lines = packing_table([*rows, {"section": "packing", "mps": True, "skipped": "it is not there"}]).splitlines()
    assert lines[0] == "| model | steps | MPS | 1 at once | 2 at once |"
    assert lines[2] == "| cnn3d | eager | no | 1,000 | 2,000 |"
    assert lines[-1] == "With MPS: not measured; it is not there."


def test_the_price_is_that_of_one_at_a_time_over_the_gain_of_several() -> None:
    recipe = Recipe(max_epochs=20, patience=9, precision="32")
    trials = [Training("cnn3d", 8, "2dot", 0, recipe, "data")]
    key = {"section": "packing", "mps": False, "model": "cnn3d", "side": "graphs"}
    rows = [{**key, "processes": count, "clips_per_second": 100.0 * count} for count in (1, 2)]
    lines = price_table([epoch(1, True, 3600.0), *rows], trials).splitlines()
    assert lines[4:-2] == [
        "| graphs | 1 | 1 | no | 8 | 1.00 | 10.0 | 15.0 | 20.0 |",
        "| graphs | 1 | 2 | no | 8 | 2.00 | 5.0 | 7.5 | 10.0 |",
    ]


def test_the_price_of_stacks_is_that_of_a_seeds_share_of_their_epochs() -> None:
    recipe = Recipe(max_epochs=20, patience=9, precision="32")
    trials = [Training("cnn3d", 8, "2dot", seed, recipe, "data") for seed in range(5)]
    rows = [epoch(1, True, 3600.0), epoch(5, True, 4500.0), epoch(5, False, 9000.0)]
    lines = price_table(rows, trials).splitlines()
    assert lines[4:-2] == [
        "| graphs | 1 | 1 | no | 8 | 1.00 | 50.0 | 75.0 | 100.0 |",
        "| eager | 5 | 1 | no | 8 | - | 25.0 | 37.5 | 50.0 |",
        "| graphs | 5 | 1 | no | 8 | 4.00 | 12.5 | 18.8 | 25.0 |",
    ]
