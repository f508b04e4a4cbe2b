"""Numbers as people type them, and one sentence for what is none."""

from collections.abc import Callable
from typing import Any

import pytest

from rac_ray.cli.values import auto_or_integer, integer, number
from rac_ray.errors import BadInput


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (integer("--n"), "7", 7),
        (integer("--n"), "+7", 7),
        (integer("--n"), "-7", -7),
        (integer("--n"), "007", 7),
        (integer("--n", 2), "2", 2),
        (number("--x"), "0", 0.0),
        (number("--x"), "1e-3", 0.001),
        (number("--x"), " 2.5 ", 2.5),
        (auto_or_integer("--n", 1), "auto", "auto"),
        (auto_or_integer("--n", 1), "1", 1),
    ],
)
def test_what_can_be_read(parse: Callable[[str], Any], text: str, value: Any) -> None:
    found = parse(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("parse", "text", "sentence"),
    [
        (integer("--n"), "", "--n '' is not an integer"),
        (integer("--n"), "-", "--n '-' is not an integer"),
        (integer("--n"), "-+7", "--n '-+7' is not an integer"),
        (integer("--n"), "--7", "--n '--7' is not an integer"),
        (integer("--n"), "1_0", "--n '1_0' is not an integer"),
        (integer("--n"), "7.0", "--n '7.0' is not an integer"),
        (integer("--n"), "٧", "--n '٧' is not an integer"),
        (integer("--n", 2), "1", "--n is 1; valid: 2 or more"),
        (number("--x"), "", "--x '' is not a number"),
        (number("--x"), "1,5", "--x '1,5' is not a number"),
        (number("--x"), "1_0", "--x '1_0' is not a number"),
        (number("--x"), "-0.1", "--x is -0.1; valid: 0 or more"),
        (number("--x"), "nan", "--x is nan; valid: 0 or more"),
        (number("--x"), "1e999", "--x is 1e999; valid: 0 or more"),
        (integer("--n"), "9" * 5000, "--n has 5000 digits; valid: at most 100"),
        (auto_or_integer("--n", 1), "Auto", "--n 'Auto' is not an integer"),
        (auto_or_integer("--n", 1), "0", "--n is 0; valid: 1 or more"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(parse: Callable[[str], Any], text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as error:
        parse(text)
    assert str(error.value) == sentence
