"""Boards of sweeps: rows, places and why there is none, on records with stated accuracies."""

from pathlib import Path

import pytest

from rac_ray.results.board import Board, boards_of, without_board
from rac_ray.results.board_tables import BOARD_COLUMNS, PAIR_COLUMNS, board_table, pair_table
from rac_ray.results.entered import enter
from tests.results.studies import SHAPES
from tests.results.sweeps import unfinished, write_sweep

THREE = {"bag": 0.4, "cnn3d": 0.6, "convlstm": 0.5}


def boards(*folders: Path) -> tuple[list[Board], dict[str, int]]:
    return boards_of(enter([str(folder) for folder in folders], lambda _: SHAPES))


def board(*folders: Path) -> Board:
    (found,), _ = boards(*folders)
    return found


def test_models_have_their_places_by_what_they_keep(tmp_path: Path) -> None:
    """All are right in 80% at home and differ by ten points elsewhere, on the same clips."""
    found = board(write_sweep(tmp_path / "one", THREE))
    table = board_table(found, 1)
    assert list(table) == BOARD_COLUMNS
    assert table["model"].tolist() == ["cnn3d", "convlstm", "bag"]
    assert table[["first_place", "last_place"]].to_numpy().tolist() == [[1, 1], [2, 2], [3, 3]]
    assert table["lead"].tolist() == pytest.approx([0.15, 0, -0.15])
    assert table["compared"].tolist() == [2, 2, 2]
    assert all(table["low"] < table["lead"])
    assert table["low"].iloc[0] > 0.05
    assert table["high"].iloc[2] == pytest.approx(-table["low"].iloc[0], abs=0.001)
    assert table["source_top1"].tolist() == pytest.approx([0.8] * 3)
    assert table["target_top1"].tolist() == pytest.approx([0.6, 0.5, 0.4])
    assert table["robustness_ratio"].tolist() == pytest.approx([0.75, 0.625, 0.5])
    first = table.iloc[0].to_dict()
    assert {name: first[name] for name in ("trials", "seeds", "sizes", "never_learned", "epochs", "max_epochs")} == {
        "trials": 6, "seeds": 3, "sizes": 2, "never_learned": 0, "epochs": 5, "max_epochs": 100,
    }  # fmt: skip
    assert (first["fewest_parameters"], first["most_parameters"], first["seconds"]) == (2000, 4000, 10.6)
    assert (first["commit"], first["device"], first["which_seeds"], first["data"], first["reason"]) == (
        "abc123", "cpu", "0, 42, 61", "feed", "",
    )  # fmt: skip


def test_the_comparisons_are_behind_the_places(tmp_path: Path) -> None:
    pairs = pair_table(board(write_sweep(tmp_path / "one", THREE)), 1)
    assert list(pairs) == PAIR_COLUMNS
    assert pairs[["first", "second"]].to_numpy().tolist() == [
        ["cnn3d", "convlstm"], ["cnn3d", "bag"], ["convlstm", "bag"],
    ]  # fmt: skip
    assert pairs["difference"].tolist() == pytest.approx([0.1, 0.2, 0.1])
    assert all(pairs["holm"] >= pairs["p"])
    assert pairs["decided"].tolist() == [True] * 3
    assert pairs[["seeds", "trials"]].to_numpy().tolist() == [[3, 12]] * 3


def test_what_the_clips_do_not_decide_shares_its_places(tmp_path: Path) -> None:
    close = {"cnn3d": 0.61, "convlstm": 0.6, "bag": 0.3}
    table = board_table(board(write_sweep(tmp_path / "one", close)), 1)
    assert table["model"].tolist() == ["cnn3d", "convlstm", "bag"]
    assert table[["first_place", "last_place"]].to_numpy().tolist() == [[1, 2], [1, 2], [3, 3]]


def test_sweeps_of_other_seeds_stand_on_one_board(tmp_path: Path) -> None:
    mine = write_sweep(tmp_path / "mine", {"cnn3d": 0.6}, seeds=(1, 2, 3, 4))
    theirs = write_sweep(tmp_path / "theirs", {"cnn3d": 0.4}, seeds=(7, 8, 9), recipe={"learning_rate": 0.5})
    table = board_table(board(theirs, mine), 1)
    assert table["sweep"].tolist() == [str(mine), str(theirs)]
    assert table["first_place"].tolist() == [1, 2]
    assert table["lead"].tolist() == pytest.approx([0.2, -0.2])
    assert table["which_seeds"].tolist() == ["1, 2, 3, 4", "7, 8, 9"]
    assert table["recipe"].tolist() == ["learning rate 0.001", "learning rate 0.5"]


def test_a_recipe_is_a_row_of_its_own(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.6})
    write_sweep(folder, {"cnn3d": 0.4}, recipe={"batch_size": 8})
    table = board_table(board(folder), 1)
    assert table[["recipe", "first_place"]].to_numpy().tolist() == [["batch 64", 1], ["batch 8", 2]]


def test_who_has_no_place_and_why(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.6, "convlstm": 0.4})
    write_sweep(folder, {"vivit": 0.2}, home=0.2)
    write_sweep(folder, {"convgru": 0.7}, seeds=(0, 42))
    write_sweep(folder, {"convlru": 0.5}, home=0.5)
    table = board_table(board(folder), 1).set_index("model")
    assert table["reason"].to_dict() == {
        "cnn3d": "", "convlstm": "",
        "vivit": "at chance: 6 of 6 trials never learned",
        "convgru": "too few seeds: 2 of the 3 that a place needs",
        "convlru": "cannot be told: no trial of one model is as accurate at home as one of the other",
    }  # fmt: skip
    assert table["first_place"].isna().tolist() == [False, False, True, True, True]
    assert list(table.index) == ["cnn3d", "convlstm", "convgru", "convlru", "vivit"]
    assert table["robustness_ratio"].isna().to_dict()["vivit"]
    pairs = pair_table(board(folder), 1)
    assert pairs["reason"].tolist() == ["", *[table.loc["convlru", "reason"]] * 2]


def test_one_model_alone_has_no_place(tmp_path: Path) -> None:
    (row,) = board_table(board(write_sweep(tmp_path / "one", {"cnn3d": 0.6})), 1).to_dict("records")
    assert row["reason"] == "nobody else has trials enough to be compared with"
    nowhere = board_table(board(write_sweep(tmp_path / "two", {"cnn3d": 0.6}, targets=())), 1)
    assert nowhere["reason"].tolist() == ["asked about no other domain"]


def test_a_trial_that_two_sweeps_have_counts_once(tmp_path: Path) -> None:
    mine = write_sweep(tmp_path / "mine", {"cnn3d": 0.6, "bag": 0.4})
    theirs = write_sweep(tmp_path / "theirs", {"cnn3d": 0.6, "convlstm": 0.5})
    (found,), again = boards(mine, theirs)
    assert [(row.model, row.sweep.name) for row in found.rows] == [
        ("bag", str(mine)), ("cnn3d", str(mine)), ("convlstm", str(theirs)),
    ]  # fmt: skip
    assert again == {str(theirs): 6}


def test_what_cannot_be_compared_has_a_board_of_its_own(tmp_path: Path) -> None:
    first = write_sweep(tmp_path / "first", {"cnn3d": 0.6})
    others = [
        write_sweep(tmp_path / "content", {"bag": 0.6}, content="other clips"),
        write_sweep(tmp_path / "data", {"bag": 0.6}, data="other data"),
        write_sweep(tmp_path / "domains", {"bag": 0.6}, targets=("5dot",), seeds=(7,)),
    ]
    found, again = boards(first, *others)
    assert [[row.sweep.name for row in each.rows] for each in found] == [[str(first)], *([str(of)] for of in others)]
    assert again == {}


MISSING = ["trials", "failed", "not_run", "unranked"]


def test_trials_that_failed_or_have_not_run_are_told_in_their_models_row(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "one", THREE, seeds=range(5))
    unfinished(folder, "cnn3d", failed=[0], not_run=[3])
    unfinished(folder, "convlstm", failed=[2])
    unfinished(folder, "bag", failed=[0, 1], not_run=[2, 3, 4])
    table = board_table(board(folder), 1).set_index("model")
    assert list(table.index) == ["cnn3d", "convlstm", "bag"]
    assert table[MISSING].to_numpy().tolist() == [[6, 2, 2, 0], [8, 2, 0, 0], [0, 4, 6, 0]]
    assert table["reason"].tolist() == ["", "", "4 of 10 trials failed, 6 have not run"]
    silent = table.loc["bag"]
    assert silent[["first_place", "source_top1", "target_top1", "robustness_ratio", "seconds"]].isna().all()
    assert silent[["fewest_parameters", "most_parameters"]].isna().all()
    assert silent[["seeds", "sizes", "never_learned", "compared", "max_epochs"]].tolist() == [0, 0, 0, 0, 100]
    assert pair_table(board(folder), 1)[["first", "second"]].to_numpy().tolist() == [["cnn3d", "convlstm"]]


def test_a_recipe_of_which_no_trial_has_finished_is_a_row_of_its_own(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.6, "bag": 0.4}, recipe={"batch_size": 8})
    unfinished(folder, "cnn3d", failed=[0, 42, 61])
    write_sweep(folder, {"cnn3d": 0.5})
    table = board_table(board(folder), 1)
    assert table[["model", "recipe", *MISSING]].to_numpy().tolist() == [
        ["cnn3d", "batch 64", 6, 0, 0, 0], ["bag", "batch 8", 6, 0, 0, 0], ["cnn3d", "batch 8", 0, 6, 0, 0],
    ]  # fmt: skip


def test_missing_trials_stand_on_the_board_of_their_clips(tmp_path: Path) -> None:
    """All of mine on other clips failed, and so did one that theirs has."""
    mine = write_sweep(tmp_path / "mine", {"cnn3d": 0.6})
    write_sweep(mine, {"bag": 0.4}, source="mnist_bg", data="elsewhere")
    unfinished(mine, "bag", failed=[0, 42], not_run=[61])
    theirs = write_sweep(tmp_path / "theirs", {"bag": 0.4, "cnn3d": 0.6})
    unfinished(theirs, "cnn3d", failed=[0])
    found, _ = boards(mine, theirs)
    assert [[(row.model, len(row.trials), len(row.missing)) for row in each.rows] for each in found] == [
        [("cnn3d", 6, 0), ("bag", 6, 0)]
    ]
    ((row, *_),) = [each.rows for each in found]
    assert sorted(without_board(found, row.sweep)["state"]) == ["failed"] * 4 + ["pending"] * 2
    other = write_sweep(tmp_path / "other", {"vivit": 0.5}, source="mnist_bg", data="elsewhere")
    found, _ = boards(mine, other)
    assert [[(row.model, len(row.trials), len(row.missing)) for row in each.rows] for each in found] == [
        [("cnn3d", 6, 0)], [("vivit", 6, 0), ("bag", 0, 6)],
    ]  # fmt: skip
