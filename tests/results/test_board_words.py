"""A leaderboard in words: places, sizes, who may be first, what sweeps stand on."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rac_ray.results.board import Board, boards_of
from rac_ray.results.board_tables import board_table
from rac_ray.results.board_words import (
    answer,
    heading,
    in_short,
    names,
    place_in_words,
    shown_table,
    sweep_lines,
    sweeps_table,
    without_place,
)
from rac_ray.results.entered import enter
from rac_ray.results.names import DomainWords
from tests.results.studies import Shapes
from tests.results.sweeps import unfinished, write_sweep


class Named(Shapes):
    """With names of domains."""

    domains = {"2dot": DomainWords("2Dot"), "5dot": DomainWords("5Dot")}  # noqa: RUF012


def board(*folders: Path) -> Board:
    (found,), _ = boards_of(enter([str(folder) for folder in folders], lambda _: Named("shapes")))
    return found


def table_of(*rows: tuple[str, object, object], **more: Any) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["model", "first_place", "last_place"]).assign(recipe="", sweep="a", **more)


def test_a_place_is_one_or_several_or_none() -> None:
    assert [place_in_words(*each) for each in ((1, 1), (2, 4), (pd.NA, pd.NA))] == ["1", "2 to 4", "-"]


def test_numbers_of_parameters_are_short() -> None:
    assert [in_short(count) for count in (7, 850, 4_210, 66_000, 1_300_000)] == ["7", "850", "4.21k", "66k", "1.3M"]
    assert [in_short(count) for count in (1_000, 999_499, 999_600, 999_600_000)] == ["1k", "999k", "1M", "1G"]
    assert [in_short(count) for count in (1_200_000_000, 7e12)] == ["1.2G", "7000G"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            table_of(("cnn3d", 1, 1), ("bag", 2, 3), ("vivit", 2, 3), ("convgru", pd.NA, pd.NA)),
            "of 3 models 3D CNN is the most robust one at the same accuracy on its own domain.",
        ),
        (
            table_of(("cnn3d", 1, 2), ("bag", 1, 2), ("vivit", 3, 3)),
            "of 3 models 2 may be the most robust one: 3D CNN, Bag of frames.",
        ),
        (
            table_of(("cnn3d", 1, 2), ("bag", 1, 2)),
            "of 2 models none is known to be more robust than another at the same accuracy on its own domain.",
        ),
        (table_of(("cnn3d", pd.NA, pd.NA)), "no model has a place."),
    ],
    ids=["one", "two", "nothing", "nobody"],
)
def test_who_may_be_first_is_a_sentence(table: pd.DataFrame, said: str) -> None:
    assert answer(table, {"a": 2}, 3, several=False) == said
    assert answer(table, {"a": 2}, 3, several=True) == f"Board 3: {said}"


def test_rows_of_one_model_are_told_apart() -> None:
    table = table_of(("cnn3d", 1, 1), ("bag", 2, 2), ("cnn3d", pd.NA, pd.NA), reason=["", "", "at chance"])
    assert without_place(table, {"a": 2}) == ["no place: 3D CNN (sweep 2): at chance"]
    told = table.assign(recipe=["batch 8", "", "batch 4"])
    assert names(told, {"a": 2}) == ["3D CNN (batch 8, sweep 2)", "Bag of frames", "3D CNN (batch 4, sweep 2)"]
    assert answer(told, {"a": 2}, 1, several=False).startswith("of 2 models 3D CNN (batch 8, sweep 2) is the most ")


def test_the_shown_table_has_names_and_few_digits(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.6, "bag": 0.4})
    found = board(folder)
    assert heading(found) == "Trained on 2Dot, asked about 5Dot, mnist"
    table = board_table(found, 1)
    shown = shown_table(table, {str(folder): 4})
    (first, second) = shown.to_dict("records")
    lead, ratio = first.pop("points ahead"), first.pop("robustness ratio")
    assert first == {
        "model": "3D CNN", "place": "1", "own domain %": "80", "other domains %": "60", "parameters": "2k to 4k",
        "time per trial": "11 s", "sweep": "4",
    }  # fmt: skip
    assert (lead[:7], ratio[:6]) == ("+20.0 [", "0.75 [")
    assert (second["model"], second["place"], second["points ahead"][:7]) == ("Bag of frames", "2", "-20.0 [")
    assert list(shown_table(table.assign(recipe=["a", ""]), {str(folder): 4}))[:2] == ["model", "recipe"]
    tuned = shown_table(table.assign(variant=["tuned momentum x4", ""]), {str(folder): 4})
    assert tuned["recipe"].tolist() == ["tuned momentum x4", ""]
    silent = shown_table(table.assign(source_top1=float("nan"), seeds=2), {str(folder): 4})
    assert silent["own domain %"].tolist() == ["-", "-"]
    assert silent["robustness ratio"].tolist() == ["0.75*", "0.50*"]


def test_sweeps_say_what_they_stand_on(tmp_path: Path) -> None:
    one = write_sweep(tmp_path / "one", {"cnn3d": 0.6, "bag": 0.5})
    two = write_sweep(tmp_path / "two", {"bag": 0.4}, seeds=(7, 8), commit="def456", device="gpu")
    table = board_table(board(one, two), 1)
    stands = sweeps_table([table], {str(one): 1, str(two): 2, "elsewhere": 3})
    assert stands["trials"].tolist() == ["12", "4"]
    assert sweep_lines(stands) == [
        f"sweep 1: {one}; preset -; capsule -; commit abc123; seeds 0, 42, 61; at most 100 epochs; 12 trials on cpu",
        f"sweep 2: {two}; preset -; capsule -; commit def456; seeds 7, 8; at most 100 epochs; 4 trials on gpu",
    ]


def test_missing_trials_are_told_where_there_are_some(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.6, "bag": 0.4})
    unfinished(unfinished(folder, "cnn3d", failed=[0]), "bag", failed=[0, 42], not_run=[61])
    table = board_table(board(folder), 1)
    shown = shown_table(table, {str(folder): 1})
    assert shown[
        ["model", "place", "missing trials", "parameters", "time per trial", "own domain %"]
    ].to_numpy().tolist() == [
        ["3D CNN", "-", "2 failed", "2k to 4k", "11 s", "80"],
        ["Bag of frames", "-", "4 failed, 2 not run", "-", "-", "-"],
    ]
    assert without_place(table, {str(folder): 1}) == [
        "no place: 3D CNN: too few seeds: 2 of the 3 that a place needs",
        "no place: Bag of frames: 4 of 6 trials failed, 2 have not run",
    ]
    (line,) = sweep_lines(sweeps_table([table], {str(folder): 1}))
    assert line.endswith("; seeds 42, 61; at most 100 epochs; 4 trials on cpu; 6 of 12 trials failed, 2 have not run")
