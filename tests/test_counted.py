"""Numbers of things and times, by one function each: no message says ``1 seeds``."""

import re
from pathlib import Path

import pytest

from rac_ray.counted import about_left, counted, duration

PACKAGE = Path(__file__).parents[1] / "rac_ray"


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("seed",), "0 seeds"),
        (1, ("seed",), "1 seed"),
        (2, ("seed",), "2 seeds"),
        (1, ("class", "classes"), "1 class"),
        (12, ("class", "classes"), "12 classes"),
        (1, ("trial has", "trials have", ","), "1 trial has"),
        (1_234_567, ("clip", "", ","), "1,234,567 clips"),
        (1_234_567, ("clip",), "1234567 clips"),
        (1.0, ("CPU", "", "g"), "1 CPU"),
        (2.5, ("CPU", "", "g"), "2.5 CPUs"),
    ],
)
def test_one_and_several(count: float, words: tuple[str, ...], said: str) -> None:
    assert counted(count, *words) == said


def test_durations() -> None:
    told = {0.4: "0 s", 89: "89 s", 90: "1.5 min", 599: "10.0 min", 600: "10 min", 5399: "90 min", 5400: "1.5 h"}
    assert {seconds: duration(seconds) for seconds in told} == told


def test_of_what_is_left_there_is_a_second_at_least() -> None:
    assert [about_left(seconds) for seconds in (0, 0.4, 12, 126)] == [
        "about 1 s left", "about 1 s left", "about 12 s left", "about 2.1 min left",
    ]  # fmt: skip


def test_no_module_has_a_plural_of_its_own() -> None:
    own = re.compile(r"""'s' if|"s" if|'s' \*|"s" \*|'' if [^}]* == 1 else 's'""")
    found = [str(path) for path in PACKAGE.rglob("*.py") if own.search(path.read_text())]
    assert found == []
