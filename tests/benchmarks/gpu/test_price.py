import pytest

from benchmarks.gpu.price import Hours, between, common_sizes, gain, hours, measured_epochs, overhead
from rac_ray.identity import Recipe, Training

RECIPE = Recipe(max_epochs=10, patience=3, precision="32")


def trial(model: str, hidden_units: int) -> Training:
    return Training(model, hidden_units, "2dot", 0, RECIPE, "data")


def test_between_measured_sizes_lies_a_line_in_logarithms() -> None:
    points = {2: 1.0, 8: 4.0, 32: 4.0}
    assert between(points, 2) == pytest.approx(1)
    assert between(points, 4) == pytest.approx(2)
    assert between(points, 16) == pytest.approx(4)
    assert between(points, 64) == pytest.approx(4)
    assert between({2: 1.0, 8: 4.0}, 16) == pytest.approx(8)
    assert between({8: 3.0}, 48) == 3


def test_hours_are_those_of_the_fewest_the_middle_and_the_most_epochs() -> None:
    trials, epochs = [trial("cnn3d", 2), trial("convlstm", 2)], {("cnn3d", 2): 360.0, ("convlstm", 2): 720.0}
    found = hours(trials, epochs, of_trial=1800.0)
    assert found == Hours(1 + 4 * 0.3, 1 + 7 * 0.3, 1 + 10 * 0.3)
    assert hours(trials, {("cnn3d", 2): 360.0}, 0) is None


def test_only_epochs_that_were_measured_count() -> None:
    key = {"section": "epochs", "model": "cnn3d", "hidden_units": 2, "seeds": 1}
    rows = [
        {**key, "graphs": True, "seconds": 0.4, "seeds": 5},
        {**key, "graphs": True, "seconds": 1.0},
        {**key, "graphs": False, "seconds": 3.0},
        {**key, "hidden_units": 8, "graphs": True, "error": "out of memory"},
        {**key, "section": "speed", "graphs": True, "seconds": 9.0},
    ]
    assert measured_epochs(rows, graphs=True) == {("cnn3d", 2): 1.0}
    assert measured_epochs(rows, graphs=True, seeds=5) == {("cnn3d", 2): 0.4}
    assert measured_epochs(rows, graphs=False, seeds=5) == {}


def test_common_sizes_are_those_of_every_model() -> None:
    assert common_sizes({("a", 2): 1.0, ("a", 48): 1.0, ("a", 8): 1.0, ("b", 8): 1.0, ("b", 2): 1.0}) == [2, 8]
    assert common_sizes({}) == []


def test_the_gain_of_more_processes_is_the_geometric_mean_over_models() -> None:
    rates = {
        (False, "a"): {1: 100.0, 2: 200.0},
        (False, "b"): {1: 10.0, 2: 5.0},
        (True, "a"): {2: 400.0},
        (True, "b"): {2: 10.0},
    }
    rows = [
        {
            "section": "packing",
            "side": "eager",
            "mps": mps,
            "model": model,
            "processes": count,
            "clips_per_second": rate,
        }
        for (mps, model), of in rates.items()
        for count, rate in of.items()
    ]
    assert gain(rows, side="eager") == pytest.approx({1: 1.0, 2: 1.0})
    assert gain(rows, side="eager", mps=True) == pytest.approx({2: 2.0})
    assert gain(rows, side="graphs") == {}


def test_the_overhead_is_the_median_of_what_is_no_training_of_trials_alone() -> None:
    rows = [
        {"section": "minisweep", "stack": stack, "of_seconds": {"total": 10.0 + more, "training": 8.0}}
        for stack, more in ((1, 0.0), (1, 1.0), (1, 50.0), (2, 60.0), (2, 60.0), (2, 60.0))
    ]
    assert overhead(rows) == 3
    assert overhead([]) is None
