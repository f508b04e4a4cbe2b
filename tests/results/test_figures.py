from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.container import BarContainer, ErrorbarContainer
from PIL import Image

from rac_ray.results import load
from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import (
    COMMON,
    LEFT_OUT,
    THRESHOLDS,
    drawings,
    figure3,
    figure4,
    figure4_all_models,
    learning_curves,
    parameters,
    pictures,
    profiles,
    write_all,
)
from rac_ray.results.panels import FADED
from rac_ray.results.paper import Drawn
from rac_ray.store.storage import Storage
from tests.results.studies import SHAPES, Shapes
from tests.results.synthetic import by_name, sweep, unasked


@pytest.fixture
def analysis(sweep_folder: Path) -> Analysis:
    return Analysis(load(sweep_folder), SHAPES)


def test_figure3_has_a_bar_per_model_and_domain(analysis: Analysis) -> None:
    figure = figure3(analysis, "2dot")
    (axes,) = figure.axes
    bars = [patch.get_height() for container in axes.containers for patch in getattr(container, "patches", [])]
    assert bars[:4] == pytest.approx([82.5, 77.5, 62.5, 42.5])
    assert len(bars) == 8
    stamp = " ".join(figure.get_supxlabel().split())
    assert stamp.startswith("6 of 8 planned trials are done, 1 has failed, 1 has not run; clips: digits optdigits;")
    assert stamp.endswith("; too few seeds for an interval")


def test_figure4_has_a_panel_per_target_and_a_line_per_model(analysis: Analysis) -> None:
    figure = figure4(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["on 5dot", "on mnist"]
    lines = {str(line.get_label()): line for line in figure.axes[1].lines}
    np.testing.assert_allclose(np.asarray(lines["3D CNN"].get_ydata(), float), [(0.4 / 0.8 + 0.45 / 0.85) / 2] * 2)
    assert lines["ConvLSTM"].get_xdata() == pytest.approx([2])
    assert [len(band.get_paths()) for band in figure.axes[1].collections] == [0, 0], "two seeds have no interval"


def test_accuracy_against_parameters_has_a_panel_per_evaluation_set(analysis: Analysis) -> None:
    figure = parameters(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["2dot validation", "2dot test", "5dot", "mnist"]
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert lines["3D CNN"].get_xdata() == pytest.approx([2000, 4000])


def test_profiles_count_trials_above_each_ratio(analysis: Analysis) -> None:
    """The 3D CNN on mnist: two trials at 0.5, two at 0.45 / 0.85 = 0.529."""
    figure = profiles(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["on 5dot", "on mnist"]
    lines = {str(line.get_label()): line for line in figure.axes[1].lines}
    shares = dict(zip(np.round(THRESHOLDS, 2), np.asarray(lines["3D CNN"].get_ydata(), float), strict=True))
    assert [shares[at] for at in (0.49, 0.5, 0.52, 0.53)] == [100, 50, 50, 0]


def test_there_is_a_learning_curve_per_finished_trial(analysis: Analysis) -> None:
    figure = learning_curves(analysis, "2dot")
    assert [axes.get_title() for axes in figure.axes] == ["3D CNN, 2 to 4 hidden units", "ConvLSTM, 2 hidden units"]
    assert [len(axes.lines) for axes in figure.axes] == [4 + 1, 2 + 1]
    np.testing.assert_allclose(np.asarray(figure.axes[0].lines[0].get_ydata(), float), [50, 60, 70, 80, 90])
    np.testing.assert_allclose(np.asarray(figure.axes[0].lines[0].get_xdata(), float), [1, 2, 3, 4, 5])
    assert all(float(place).is_integer() for place in figure.axes[0].get_xticks())


def test_curves_of_trials_that_never_learned_are_dotted_and_short_ones_have_marks(analysis: Analysis) -> None:
    trials = analysis.tables.trials
    never = trials["trial_id"] == trials.query("model == 'cnn3d'")["trial_id"].iloc[0]
    learned = trials["learned"].astype("boolean").mask(never, False)
    tables = replace(analysis.tables, trials=trials.assign(learned=learned))
    figure = learning_curves(Analysis(tables, analysis.study), "2dot")
    curves = figure.axes[0].lines[:-1]
    assert [line.get_linestyle() for line in curves] == [":", "-", "-", "-"]
    assert [line.get_marker() for line in curves] == ["."] * 4, "of five epochs each has a mark"


def test_all_figures_are_written_as_png_and_svg(analysis: Analysis, tmp_path: Path) -> None:
    names = write_all(pictures(analysis), Storage.at(tmp_path / "figures"))
    assert names == [f"{name}-2dot.{suffix}" for name in COMMON for suffix in ("png", "svg")]
    assert np.asarray(Image.open(tmp_path / "figures" / names[0]).convert("L")).std() > 10
    assert "<svg" in (tmp_path / "figures" / names[1]).read_text()


def test_drawn_twice_they_are_the_same_bytes(analysis: Analysis) -> None:
    first, second = pictures(analysis), pictures(analysis)
    assert [set(picture.files) for _, picture in first] == [{"png", "svg"}] * len(COMMON)
    assert [picture for _, picture in first] == [picture for _, picture in second]


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


@pytest.mark.parametrize("named", [False, True], ids=["hidden units", "by name"])
def test_models_of_the_only_size_stand_side_by_side(named: bool) -> None:
    models = ("cnn3d", "convlstm", "timesformer8")
    drawn = sweep(lambda *_: 0.8, models=models, sizes=(4,), of_clips=0.0)
    names = {(model, 4): "small" for model in models}
    axes = figure4(Analysis(by_name(drawn, names) if named else drawn, SHAPES), "2dot").axes[0]
    lines = {str(line.get_label()): line for line in axes.lines}
    places = [float(np.asarray(lines[name].get_xdata(), float)[0]) for name in ("3D CNN", "ConvLSTM", "TimeSf-8")]
    assert places == sorted(set(places))
    middle, limits = (0, (-1, 1)) if named else (4, (2, 8))
    assert (places[1], *axes.get_xticks()) == pytest.approx((middle, middle))
    assert axes.get_xlim() == pytest.approx(limits)


def test_sizes_by_name_have_their_own_parameters(sized: Analysis) -> None:
    lines = {str(line.get_label()): line for line in parameters(sized, "2dot").axes[0].lines}
    assert lines["3D CNN"].get_xdata() == pytest.approx([3200, 6400])
    assert np.asarray(lines["3D CNN"].get_ydata(), float) == pytest.approx([40, 80], abs=3)
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
        "2dot\nvalidation", "mnist", "5dot", "2dot\ntest", "mnist_bg", "mnist_bg_half",
    ]  # fmt: skip
    assert np.diff(axes.get_xticks()) == pytest.approx([1, 1, 1.4, 1, 1])
    (said,) = axes.texts
    assert said.get_text() == "(not in the paper's figure)"
    assert said.get_position() == (pytest.approx(4.4), pytest.approx(1.01)), "above the axes, where nothing is drawn"
    assert not figure3(Analysis(printed.tables, SHAPES), "2dot").axes[0].texts


def test_figure4_has_the_papers_models_and_first_the_papers_targets(printed: Analysis) -> None:
    figure = figure4(printed, "2dot")
    assert [axes.get_title().split("\n") for axes in figure.axes] == [
        ["on mnist"], ["on 5dot"],
        ["on mnist_bg", "(not in the paper's figure)"], ["on mnist_bg_half", "(not in the paper's figure)"],
    ]  # fmt: skip
    assert {str(line.get_label()) for line in figure.axes[0].lines} >= {"3D CNN"}
    assert "TimeSf-1" not in {str(line.get_label()) for axes in figure.axes for line in axes.lines}
    assert " ".join(figure.get_supxlabel().split()).endswith("; drawn without TimeSf-1, as in the paper: it guesses")


def test_the_model_that_is_left_out_has_a_figure_and_its_guesses_are_crosses(printed: Analysis) -> None:
    assert [drawing.kind for drawing in drawings(printed)] == [*COMMON, *LEFT_OUT]
    for model in ("cnn3d", "timesformer1"):
        alone = of_paper(models=(model,), seeds=(42,))
        assert [drawing.kind for drawing in drawings(alone)] == list(COMMON)
    figure = figure4_all_models(printed, "2dot")
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert lines["TimeSf-1"].get_xdata() == pytest.approx([8]), "no trial of h 2 has learned"
    cross = lines["TimeSf-1: at chance, no ratio"]
    assert (cross.get_xdata(), cross.get_ydata()) == (pytest.approx([2]), pytest.approx([0.0]))
    assert cross.get_alpha() == FADED
    (legend,) = figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said == ["3D CNN", "TimeSf-1", "TimeSf-1: at chance, no ratio"]


def test_a_model_at_chance_is_faded_and_has_no_profile() -> None:
    """TimeSf-1 guesses at its only size: it has bars and accuracies, and no ratio above any threshold."""
    guesses = sweep(lambda model, *_: 0.2 if model == "timesformer1" else 0.8, of_clips=0.0, sizes=(2,))
    analysis = Analysis(guesses, SHAPES)
    (axes,) = figure3(analysis, "2dot").axes
    bars = {str(each.get_label()): each.patches[0] for each in axes.containers if isinstance(each, BarContainer)}
    faded = {name for name, bar in bars.items() if bar.get_alpha() == FADED}
    assert faded == {"TimeSf-1 (at chance)"}
    sizes = {str(line.get_label()): line for line in parameters(analysis, "2dot").axes[0].lines}
    assert sizes["TimeSf-1 (at chance)"].get_alpha() == FADED
    figure = profiles(analysis, "2dot")
    assert {str(line.get_label()) for line in figure.axes[0].lines} == {"ConvLSTM", "3D CNN", "TimeSf-8"}
    assert " ".join(figure.get_supxlabel().split()).endswith("; at chance and left out: TimeSf-1")


def test_trials_that_were_not_asked_are_in_no_figure() -> None:
    """Of the 3D CNN one seed was asked about MNIST: its bar has no interval, its profile is that of this seed, and a
    seed that never learned does not make the model one at chance."""
    tables = sweep(lambda *_: 0.8, models=("cnn3d",), sizes=(2,), seeds=(0, 1, 2), of_clips=0.0)
    part = unasked(tables, "mnist/test", "seed != 0")
    learned = part.trials["seed"] != 0
    analysis = Analysis(replace(part, trials=part.trials.assign(learned=learned)), SHAPES)
    axes = figure3(analysis, "2dot").axes[0]
    assert {str(each.get_label()) for each in axes.containers if isinstance(each, BarContainer)} == {"3D CNN"}
    (errors,) = [each for each in axes.containers if isinstance(each, ErrorbarContainer)]
    assert np.asarray(errors.lines[0].get_xdata()).size == 5
    panels = {axes.get_title(): axes for axes in profiles(Analysis(part, SHAPES), "2dot").axes}
    of_one, of_all = (panels[f"on {name}"].lines[0].get_ydata() for name in ("mnist", "mnist_bg"))
    assert set(np.asarray(of_one).tolist()) == {0.0, 100.0}
    assert len(panels["on mnist"].collections) == 0
    assert np.asarray(of_all)[0] == 100.0


def test_a_trial_that_never_learned_is_above_no_ratio() -> None:
    """Two of five trials guess, with ratios near 1; three learn and keep half."""

    def skill(_model: str, _size: int, _source: str, target: str) -> float:
        return 0.8 if target == "2dot" else 0.4

    tables = sweep(skill, models=("cnn3d",), sizes=(2,), of_clips=0.0, between_seeds=0.0)
    learned = [number > 1 for number in range(len(tables.trials))]
    part = replace(tables, trials=tables.trials.assign(learned=learned))
    (line,) = profiles(Analysis(part, SHAPES), "2dot").axes[0].lines
    assert float(np.asarray(line.get_ydata(), float)[1]) == pytest.approx(60.0)


def heights(band: Collection) -> list[float]:
    return [float(np.ptp(np.asarray(path.vertices, float)[:, 1])) for path in band.get_paths() if len(path)]


def test_intervals_are_drawn_where_seeds_suffice() -> None:
    few, enough = (
        figure4(Analysis(sweep(lambda *_: 0.8, models=("cnn3d",), seeds=seeds, clips=100), SHAPES), "2dot")
        for seeds in ((1, 2), (1, 2, 3))
    )
    assert "too few seeds for an interval" in " ".join(few.get_supxlabel().split())
    assert "too few seeds" not in enough.get_supxlabel()
    bands = [heights(figure.axes[0].collections[0]) for figure in (few, enough)]
    assert bands[0] == []
    assert bands[1][0] > 0


def test_titles_say_what_is_shown_and_the_number_in_the_paper() -> None:
    class Numbered(Shapes):
        def drawn_in_paper(self, source: str) -> Drawn:
            return Drawn(called={"figure4": "Figure 4"})

    tables = sweep(lambda *_: 0.8, models=("cnn3d",), sizes=(2,), seeds=(1,), clips=50)
    titles = {each.kind: each.title for each in drawings(Analysis(tables, Numbered("numbered")))}
    assert titles["figure4"] == "Robustness ratio against model size (Figure 4 of the paper)"
    assert titles["figure3"] == "Accuracy on every domain"


def test_nobody_is_left_out_where_nobody_else_has_run() -> None:
    figure = figure4(of_paper(models=("timesformer1",), seeds=(42,)), "2dot")
    assert "TimeSf-1" in {str(line.get_label()) for line in figure.axes[0].lines}
    assert "without" not in figure.get_supxlabel()
