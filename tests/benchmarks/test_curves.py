from pathlib import Path

import numpy as np
import pytest

from benchmarks.curves import Point, draw, main, measure_point, wanted
from benchmarks.measure import Task
from benchmarks.speed import make_data
from rac_ray.errors import BadInput


def test_what_curves_share_is_measured_once() -> None:
    places = wanted("cpu", ["cnn3d"])
    assert len(places) == len(set(places)) == 5 + 2 + 2
    assert ("cnn3d", 8, 16, 1) in places


def test_curves_have_a_line_per_model_in_every_panel() -> None:
    places = [place[1:] for place in wanted("cpu", ["any"])]
    points = [
        Point(model, hidden_units, batch, processes, 10.0, 10**9)
        for model in ("cnn3d", "convlstm")
        for hidden_units, batch, processes in places
    ]
    figure = draw(points, "cpu", "title")
    assert [len(axes.lines) for axes in figure.axes] == [2] * 6
    np.testing.assert_array_equal(figure.axes[5].lines[0].get_ydata(), [1, 2, 4])


def test_a_point_is_really_trained(tmp_path: Path) -> None:
    make_data(tmp_path, 16, 4)
    point = measure_point(Task("ours", "timesformer1", 2, 4, 0.2, "cpu", 1, str(tmp_path)), 2)
    assert (point.model, point.processes) == ("timesformer1", 2)
    assert point.clips_per_second > 1
    assert 1e8 < point.peak_bytes < 4e9


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(BadInput, match="unknown model 'mlp'"):
        main(["--models", "mlp"])
