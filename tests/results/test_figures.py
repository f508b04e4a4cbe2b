from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rac_ray.results import load
from rac_ray.results.figures import draw_all, figure3, figure4
from rac_ray.storage import Storage


def test_figure3_has_a_bar_per_model_and_domain(sweep_folder: Path) -> None:
    figure = figure3(load(sweep_folder), "2dot")
    (axes,) = figure.axes
    bars = [patch.get_height() for container in axes.containers for patch in getattr(container, "patches", [])]
    assert bars[:4] == pytest.approx([82.5, 77.5, 62.5, 42.5])
    assert len(bars) == 8
    assert figure.get_supxlabel().startswith(
        "8 trials planned = 6 done + 1 failed + 0 running + 1 pending; digits=optdigits"
    )


def test_figure4_has_a_panel_per_target_and_a_line_per_model(sweep_folder: Path) -> None:
    figure = figure4(load(sweep_folder), "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["2dot to 5dot", "2dot to mnist"]
    lines = {str(line.get_label()): line for line in figure.axes[1].lines}
    np.testing.assert_allclose(np.asarray(lines["3D CNN"].get_ydata(), float), [(0.4 / 0.8 + 0.45 / 0.85) / 2] * 2)
    assert lines["ConvLSTM"].get_xdata() == pytest.approx([2])


def test_all_figures_are_written_as_png_and_svg(sweep_folder: Path, tmp_path: Path) -> None:
    files = draw_all(load(sweep_folder), Storage.at(tmp_path / "figures"))
    names = [Path(file).name for file in files]
    assert names == ["figure3-2dot.png", "figure3-2dot.svg", "figure4-2dot.png", "figure4-2dot.svg"]
    assert np.asarray(Image.open(files[0]).convert("L")).std() > 10
    assert "<svg" in Path(files[1]).read_text()
