"""Values of a study's options, and the grids that they make."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.sweep.options import integers, place, with_axes, words

AXES = {"seeds": "seeds", "hidden_units": "sizes"}


@dataclass(frozen=True)
class Grid:
    seeds: tuple[int, ...] = (0, 1)
    sizes: tuple[int, ...] = (2,)


def test_lists_are_parted_at_commas() -> None:
    assert words(" a, b c ,,d") == ["a", "b c", "d"]
    assert words(" , ") == []
    assert integers("seed")("3, -1,+2") == [3, -1, 2]
    with pytest.raises(BadInput, match=r"^seed '2\.5' is not an integer$"):
        integers("seed")("1,2.5")


def test_axes_that_are_asked_for_replace_those_of_the_grid_and_count_once() -> None:
    grid = Grid()
    assert with_axes(grid, AXES, {}) == grid
    assert with_axes(grid, AXES, {"seeds": None, "other": [7]}) == grid
    assert with_axes(grid, AXES, {"seeds": [5, 0, 5]}) == Grid(seeds=(5, 0))
    assert with_axes(grid, AXES, {"hidden_units": (8,), "seeds": [3]}) == Grid((3,), (8,))
    with pytest.raises(BadInput, match=r"^--hidden-units names nothing; give one value or more$"):
        with_axes(grid, AXES, {"hidden_units": []})


def test_a_place_means_the_same_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place("data/masks") == f"{tmp_path}/data/masks"
    assert place(f"{tmp_path}/masks") == f"{tmp_path}/masks"
    assert place("s3://bucket/masks") == "s3://bucket/masks"
