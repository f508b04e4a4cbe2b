import matplotlib
import pytest
from matplotlib.figure import Figure

from rac_ray.results.looks import look_of, on_page, rendered, stamped


def test_an_unknown_model_keeps_its_name() -> None:
    assert look_of("mamba").label == "mamba"
    assert look_of("convlstm").color == "#0072B2"


def test_the_stamp_stands_below_and_no_date_is_in_the_file() -> None:
    figure = stamped(Figure(), "3 of 8 trials")
    assert figure.get_supxlabel() == "3 of 8 trials"
    assert b"3 of 8 trials" in rendered(lambda: figure, "svg")
    assert b"<dc:date>" not in rendered(lambda: figure, "svg")
    assert rendered(lambda: figure, "png").startswith(b"\x89PNG")


def test_on_a_page_the_stamp_is_a_caption_and_the_ground_is_left_to_the_page() -> None:
    figure = Figure()
    figure.subplots()
    svg, stamp = on_page(lambda: stamped(figure, "3 of 8 trials " * 20))
    assert stamp == ("3 of 8 trials " * 20).strip()
    assert "3 of 8 trials" not in svg
    assert svg.count("<style>@media (prefers-color-scheme: dark)") == 1
    assert "fill: #ffffff" not in svg
    assert "fill: #ffffff" in rendered(lambda: figure, "svg").decode()


def test_the_users_own_settings_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> Figure:
        figure = Figure()
        figure.subplots().set_title("a title")
        return figure

    before = rendered(drawn, "svg")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 22)
    assert rendered(drawn, "svg") == before
