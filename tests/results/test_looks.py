import matplotlib
import pytest
from matplotlib.figure import Figure

from rac_ray.results.looks import (
    LOOKS,
    ON_PAGE,
    WITH_TIME,
    called,
    look_of,
    on_page,
    picture_of,
    rendered,
    stamped,
    with_time,
)


def test_an_unknown_model_keeps_its_name() -> None:
    assert look_of("mamba").label == "mamba"
    assert look_of("convlstm").color == "#0072B2"


def test_a_model_that_is_named_as_one_of_ours_is_called_is_told_from_it() -> None:
    assert called(["convlstm", "ConvLSTM", "mine"]) == ["ConvLSTM", "ConvLSTM (own)", "mine"]
    assert called(["ConvLSTM"]) == ["ConvLSTM"]


def test_what_models_do_with_time_is_said_of_those_that_are_shown() -> None:
    assert with_time(["cnn3d", "mamba", "timesformer8"]) == (
        "What each model does with time: 3D CNN convolves over neighbouring frames; "
        "TimeSf-8 attends to all frames, with eight heads."
    )
    assert with_time(["mamba"]) == ""
    assert WITH_TIME.keys() == LOOKS.keys(), "a row each"


def test_the_stamp_stands_below_and_no_date_is_in_the_file() -> None:
    figure = stamped(Figure(), "3 of 8 trials")
    assert figure.get_supxlabel() == "3 of 8 trials"
    assert b"3 of 8 trials" in rendered(lambda: figure, "svg")
    assert b"<dc:date>" not in rendered(lambda: figure, "svg")
    assert rendered(lambda: figure, "png").startswith(b"\x89PNG")


def test_on_a_page_the_stamp_is_a_caption_and_the_ground_is_left_to_the_page() -> None:
    """The page cuts the drawing off above the stamp, which takes as much of the height as its three lines need."""

    def drawn(stamp: str) -> Figure:
        figure = Figure(figsize=(6, 4), layout="constrained")
        figure.subplots()
        return stamped(figure, stamp)

    picture = picture_of(lambda: drawn("3 of 8 trials " * 20))
    assert picture.stamp == ("3 of 8 trials " * 20).strip()
    svg, file = on_page(picture), picture.files["svg"].decode()
    assert svg.count(f"<style>{ON_PAGE}</style>") == 1
    assert ON_PAGE not in file
    assert '<g id="stamp">' in file
    assert 'width="432pt" height="288pt" viewBox="0 0 432 288"' in file
    size = f"{288 * (1 - picture.below):.6g}"
    assert f'width="432pt" height="{size}pt" viewBox="0 0 432 {size}"' in svg
    one = picture_of(lambda: drawn("3 of 8 trials")).below
    assert 0.02 < one < 0.08
    assert picture.below == pytest.approx(4 * one, rel=0.3)
    assert picture_of(Figure).below == 0


def test_the_users_own_settings_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> Figure:
        figure = Figure()
        figure.subplots().set_title("a title")
        return figure

    before = rendered(drawn, "svg")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 22)
    assert rendered(drawn, "svg") == before
