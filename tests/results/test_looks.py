from matplotlib.figure import Figure

from rac_ray.results.looks import look_of, rendered, stamped


def test_an_unknown_model_keeps_its_name() -> None:
    assert look_of("mamba").label == "mamba"
    assert look_of("convlstm").color == "#0072B2"


def test_the_stamp_stands_below_and_no_date_is_in_the_file() -> None:
    figure = stamped(Figure(), "3 of 8 trials")
    assert figure.get_supxlabel() == "3 of 8 trials"
    assert b"3 of 8 trials" in rendered(figure, "svg")
    assert b"<dc:date>" not in rendered(figure, "svg")
    assert rendered(figure, "png").startswith(b"\x89PNG")
