from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rac_ray.results import load
from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import (
    COMMON,
    LEFT_OUT,
    THRESHOLDS,
    draw_all,
    drawings,
    figure3,
    figure4,
    figure4_all_models,
    learning_curves,
    parameters,
    profiles,
)
from rac_ray.results.looks import rendered
from rac_ray.results.paper import Drawn
from rac_ray.store.storage import Storage
from tests.results.studies import SHAPES, Shapes
from tests.results.synthetic import by_name, sweep


@pytest.fixture
def analysis(sweep_folder: Path) -> Analysis:
    return Analysis(load(sweep_folder), SHAPES)


def test_figure3_has_a_bar_per_model_and_domain(analysis: Analysis) -> None:
    figure = figure3(analysis, "2dot")
    (axes,) = figure.axes
    bars = [patch.get_height() for container in axes.containers for patch in getattr(container, "patches", [])]
    assert bars[:4] == pytest.approx([82.5, 77.5, 62.5, 42.5])
    assert len(bars) == 8
    assert figure.get_supxlabel().startswith(
        "8 trials planned = 6 done + 1 failed + 0 running + 1 pending; digits=optdigits"
    )


def test_figure4_has_a_panel_per_target_and_a_line_per_model(analysis: Analysis) -> None:
    figure = figure4(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["2dot to 5dot", "2dot to mnist"]
    lines = {str(line.get_label()): line for line in figure.axes[1].lines}
    np.testing.assert_allclose(np.asarray(lines["3D CNN"].get_ydata(), float), [(0.4 / 0.8 + 0.45 / 0.85) / 2] * 2)
    assert lines["ConvLSTM"].get_xdata() == pytest.approx([2])
    assert len(figure.axes[1].collections) == 2  # the intervals


def test_accuracy_against_parameters_has_a_panel_per_evaluation_set(analysis: Analysis) -> None:
    figure = parameters(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["2dot val", "2dot test", "5dot test", "mnist test"]
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert lines["3D CNN"].get_xdata() == pytest.approx([2000, 4000])


def test_profiles_count_trials_above_each_ratio(analysis: Analysis) -> None:
    """The 3D CNN on mnist: two trials at 0.5, two at 0.45 / 0.85 = 0.529."""
    figure = profiles(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["2dot to 5dot", "2dot to mnist"]
    lines = {str(line.get_label()): line for line in figure.axes[1].lines}
    shares = dict(zip(np.round(THRESHOLDS, 2), np.asarray(lines["3D CNN"].get_ydata(), float), strict=True))
    assert [shares[at] for at in (0.49, 0.5, 0.52, 0.53)] == [1, 0.5, 0.5, 0]


def test_there_is_a_learning_curve_per_finished_trial(analysis: Analysis) -> None:
    figure = learning_curves(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["3D CNN, h = 2 to 4", "ConvLSTM, h = 2 to 2"]
    assert [len(axes.lines) for axes in figure.axes] == [4 + 1, 2 + 1]
    np.testing.assert_allclose(np.asarray(figure.axes[0].lines[0].get_ydata(), float), [0.5, 0.6, 0.7, 0.8, 0.9])


def test_all_figures_are_written_as_png_and_svg(analysis: Analysis, tmp_path: Path) -> None:
    names = draw_all(analysis, Storage.at(tmp_path / "figures"))
    assert names == [f"{name}-2dot.{suffix}" for name in COMMON for suffix in ("png", "svg")]
    assert np.asarray(Image.open(tmp_path / "figures" / names[0]).convert("L")).std() > 10
    assert "<svg" in (tmp_path / "figures" / names[1]).read_text()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_drawn_twice_they_are_the_same_bytes(analysis: Analysis, suffix: str) -> None:
    for draw in COMMON.values():
        assert rendered(partial(draw, analysis, "2dot"), suffix) == rendered(partial(draw, analysis, "2dot"), suffix)


@pytest.fixture(scope="module")
def sized() -> Analysis:
    """Models of 4 and 6 layers with 128 hidden units each, 0.4 and 0.8 on average."""
    names = {("cnn3d", 4): "cnn3d-4x128", ("cnn3d", 8): "cnn3d-6x128"}
    drawn = sweep(lambda model, size, *_: size / 10, models=("cnn3d",), sizes=(4, 8), of_clips=0.0)
    return Analysis(by_name(drawn, names), SHAPES)


def test_sizes_by_name_stand_side_by_side(sized: Analysis) -> None:
    axes = figure4(sized, "2dot").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cnn3d-4x128", "cnn3d-6x128"]
    assert (axes.get_xlabel(), axes.get_xscale()) == ("size", "linear")
    lines = {str(line.get_label()): line for line in axes.lines}
    assert lines["3D CNN"].get_xdata() == pytest.approx([0, 1])


def test_sizes_by_name_have_their_own_parameters(sized: Analysis) -> None:
    lines = {str(line.get_label()): line for line in parameters(sized, "2dot").axes[0].lines}
    assert lines["3D CNN"].get_xdata() == pytest.approx([3200, 6400])
    assert np.asarray(lines["3D CNN"].get_ydata(), float) == pytest.approx([0.4, 0.8], abs=0.03)
    (axes,) = learning_curves(sized, "2dot").axes
    assert axes.get_title() == "3D CNN, cnn3d-4x128 to cnn3d-6x128"
    assert sorted({float(line.get_alpha() or 0) for line in axes.lines[:-1]}) == [0.3, 1.0]


def test_trials_that_never_reached_their_level_have_learning_curves(sized: Analysis) -> None:
    state = sized.tables.trials["state"].mask(sized.tables.trials["seed"] == 42, "unreached")
    part = Analysis(replace(sized.tables, trials=sized.tables.trials.assign(state=state)), SHAPES)
    assert len(learning_curves(part, "2dot").axes[0].lines) == 10 + 1


class Printed(Shapes):
    """A study whose paper draws two of four targets, in this order, and leaves a model out of figure 4."""

    def drawn_in_paper(self, source: str) -> Drawn:
        return Drawn(("mnist", "5dot"), ("mnist", "5dot"), {"timesformer1": "it guesses"})


def of_paper(**settings: Any) -> Analysis:
    """TimeSf-1 guesses at h 2; other models, and larger ones, learn."""
    truth = {"timesformer1": 0.2, "cnn3d": 0.8}
    drawn = sweep(lambda model, size, *_: truth[model] if size == 2 else 0.8, of_clips=0.0, sizes=(2, 8), **settings)
    return Analysis(drawn, Printed("printed"))


@pytest.fixture(scope="module")
def printed() -> Analysis:
    return of_paper(models=("cnn3d", "timesformer1"))


def test_bars_that_the_paper_does_not_have_stand_apart(printed: Analysis) -> None:
    (axes,) = figure3(printed, "2dot").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "2dot\nval", "mnist\ntest", "5dot\ntest", "2dot\ntest", "mnist_bg\ntest", "mnist_bg_half\ntest",
    ]  # fmt: skip
    assert np.diff(axes.get_xticks()) == pytest.approx([1, 1, 1.4, 1, 1])
    (said,) = axes.texts
    assert (said.get_text(), said.get_position()[0]) == ("(not in the paper's figure)", pytest.approx(4.4))
    assert not figure3(Analysis(printed.tables, SHAPES), "2dot").axes[0].texts


def test_figure4_has_the_papers_models_and_first_the_papers_targets(printed: Analysis) -> None:
    figure = figure4(printed, "2dot")
    assert [axes.get_title().split("\n") for axes in figure.axes] == [
        ["2dot to mnist"], ["2dot to 5dot"],
        ["2dot to mnist_bg", "(not in the paper's figure)"], ["2dot to mnist_bg_half", "(not in the paper's figure)"],
    ]  # fmt: skip
    left = [axes.get_position().x0 for axes in figure.axes]
    assert np.diff(left)[1] > 1.05 * np.diff(left)[0]
    assert {str(line.get_label()) for line in figure.axes[0].lines} >= {"3D CNN"}
    assert "TimeSf-1" not in {str(line.get_label()) for axes in figure.axes for line in axes.lines}
    assert figure.get_supxlabel().endswith("; without TimeSf-1, as in the paper: it guesses")


def test_the_model_that_is_left_out_has_a_figure_and_its_guesses_are_hollow(printed: Analysis) -> None:
    assert [drawing.kind for drawing in drawings(printed)] == [*COMMON, *LEFT_OUT]
    for model in ("cnn3d", "timesformer1"):
        alone = of_paper(models=(model,), seeds=(42,))
        assert [drawing.kind for drawing in drawings(alone)] == list(COMMON)
    figure = figure4_all_models(printed, "2dot")
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert lines["TimeSf-1"].get_markevery() == [1], "no trial of h 2 has learned"
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert [list(np.asarray(line.get_xdata(), float)) for line in hollow] == [[2.0], [2.0] * 5]
    trials = printed.tables.trials
    of_never = printed.tables.evaluations["trial_id"].isin(trials.loc[~trials["learned"].astype(bool), "trial_id"])
    ratios = printed.tables.evaluations.loc[of_never].query("target == 'mnist'")["robustness_ratio"]
    assert np.asarray(hollow[1].get_ydata(), float) == pytest.approx(ratios.to_numpy())
    legend = figure.axes[-1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["3D CNN", "TimeSf-1", "never learned"]


def test_nobody_is_left_out_where_nobody_else_has_run() -> None:
    figure = figure4(of_paper(models=("timesformer1",), seeds=(42,)), "2dot")
    assert "TimeSf-1" in {str(line.get_label()) for line in figure.axes[0].lines}
    assert "without" not in figure.get_supxlabel()
