import numpy as np
import pytest

from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import COMMON
from rac_ray.studies.diving48.figures import figure5, figure6, table1
from tests.results.synthetic import sweep, unasked
from tests.studies.diving48.sweep import DIVES, diving_sweep


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    truth = {"original": 0.3, "s1": 0.08, "s2": 0.09, "t": 0.07}
    return Analysis(diving_sweep(lambda model, target: truth[target]), DIVES)


def test_each_experiment_has_a_panel_with_ours_and_the_papers(analysis: Analysis) -> None:
    figure = figure5(analysis, "original")
    assert [axes.get_title() for axes in figure.axes] == [f"experiment {name}" for name in "abcd"]
    ours = {str(line.get_label()): line for line in figure.axes[0].lines}
    means = np.asarray(ours["3D CNN"].get_ydata(), float)
    assert means == pytest.approx([30, 8, 9, 7], abs=2.5)
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(np.asarray(dashed[0].get_ydata(), float), [30, 7.59, 7.35, 7.71], atol=0.01)
    assert len(figure.axes[3].lines) == 2 + 1  # experiment d: the paper's two models and chance
    assert len(figure.axes[0].collections) == 2


def test_experiments_e_to_h_have_no_printed_numbers(analysis: Analysis) -> None:
    figure = figure6(analysis, "original")
    assert [len(axes.lines) for axes in figure.axes] == [2 + 1, 1, 1, 1]


def test_table_1_has_ours_beside_the_papers(analysis: Analysis) -> None:
    (axes,) = table1(analysis, "original").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["S1/V", "S2/V", "T/V", "T/S1"]
    ours, papers = (np.asarray(axes.lines[place].get_ydata(), float) for place in (0, 1))
    assert ours == pytest.approx([0.08 / 0.3, 0.09 / 0.3, 0.07 / 0.3, 0.07 / 0.08], rel=0.2)
    assert papers.tolist() == [0.255, 0.260, 0.221, 0.878]
    assert np.isnan(np.asarray(axes.lines[4].get_ydata(), float)).all()  # no TimeSf has run


def test_a_source_has_its_own_figures(analysis: Analysis) -> None:
    assert list(DIVES.figures("original")) == [
        "figure5",
        "figure6",
        "table1",
        "parameters",
        "profiles",
        "learning-curves",
    ]
    assert list(COMMON) == ["figure3", "figure4", "parameters", "profiles", "learning-curves"]


def test_without_experiments_only_the_papers_points_are_drawn() -> None:
    figure = figure5(Analysis(sweep(lambda *_: 0.5, models=("cnn3d",), sizes=(2,)), DIVES), "2dot")
    assert len(figure.axes[0].lines) == 3 + 1


def test_a_set_that_too_few_seeds_were_asked_about_has_no_interval() -> None:
    truth = {"original": 0.3, "s1": 0.08, "s2": 0.09, "t": 0.07}
    tables = diving_sweep(lambda model, target: truth[target], models=("cnn3d",))
    few = Analysis(unasked(tables, "t/test", "seed != 42"), DIVES)
    panel = figure5(few, "original").axes[0]
    assert np.isfinite(np.asarray(panel.lines[0].get_ydata(), float)).all()
    assert panel.collections[0].get_datalim(panel.transData).get_points()[:, 0].tolist() == [0, 2]
    ours = table1(few, "original").axes[0].collections[0]
    assert [bool(np.isfinite(path.vertices).all()) for path in ours.get_paths()] == [True, True, False, False]
