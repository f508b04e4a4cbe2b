from typing import Any

from benchmarks.gpu.tables import errors, packing_table, price_table, report, speed_table
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
    assert errors(rows) == "- speed: model cnn3d, hidden_units 8, side graphs: RuntimeError: no"


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
    epoch = {"section": "epochs", "model": "cnn3d", "hidden_units": 8, "graphs": True, "seconds": 3600.0}
    key = {"section": "packing", "mps": False, "model": "cnn3d", "side": "graphs"}
    rows = [{**key, "processes": count, "clips_per_second": 100.0 * count} for count in (1, 2)]
    lines = price_table([epoch, *rows], trials).splitlines()
    assert lines[4:] == [
        "| graphs | 1 | no | 1.00 | 10.0 | 15.0 | 20.0 |",
        "| graphs | 2 | no | 2.00 | 5.0 | 7.5 | 10.0 |",
    ]


def test_a_report_of_nothing_has_its_headings_and_no_failures() -> None:
    text = report({"card": "none"}, [{"name": "fits", "outcome": "dropped", "seconds": 0.0}], [], [])
    assert "| fits | dropped | 0 |" in text
    assert "## Price of the study" in text
    assert "## Failed" not in text
