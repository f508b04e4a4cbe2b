from rac_ray.results.paper import Drawn
from rac_ray.studies.temporal_shape.domains import DIRECTIONS
from rac_ray.studies.temporal_shape.results import DRAWN, shape_names
from rac_ray.studies.temporal_shape.study import TemporalShape


def test_classes_have_names() -> None:
    assert shape_names(5) == ["circle", "spiral", "line", "rectangle", "arc"]
    assert shape_names(7) == [*shape_names(5), "zigzag", "s"]


def test_figure_4_is_of_one_source_without_one_model_and_without_the_half_as_bright_background() -> None:
    study = TemporalShape()
    drawn = study.drawn_in_paper("2dot")
    assert (drawn.ratios, list(drawn.left_out)) == (("5dot", "mnist", "mnist_bg"), ["timesformer1"])
    assert (study.drawn_in_paper("mnist_bg").ratios, study.drawn_in_paper("mnist_bg").left_out) == ((), {})
    assert study.drawn_in_paper("kitchen") == Drawn()
    for source, each in DRAWN.items():
        assert set(each.accuracy or ()) < set(DIRECTIONS[source].targets) | {source}
