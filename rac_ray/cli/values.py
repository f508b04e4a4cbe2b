"""Types of command-line values. What is none raises BadInput with one sentence that names the flag and what is
valid."""

import math
from collections.abc import Callable

from rac_ray.errors import BadInput
from rac_ray.sweep.options import whole_number


def integer(what: str, least: int | None = None) -> Callable[[str], int]:
    """A parser that names what is not an integer, or is below ``least``."""

    def parse(text: str) -> int:
        value = whole_number(what, text)
        if least is not None and value < least:
            raise BadInput(f"{what} is {value}; valid: {least} or more")
        return value

    return parse


def number(what: str) -> Callable[[str], float]:
    """A parser of numbers from 0 up; underscores are not taken."""

    def parse(text: str) -> float:
        try:
            value = None if "_" in text else float(text)
        except ValueError:
            value = None
        if value is None:
            raise BadInput(f"{what} {text!r} is not a number")
        if not 0 <= value < math.inf:
            raise BadInput(f"{what} is {text}; valid: 0 or more")
        return value

    return parse


def auto_or_integer(what: str, least: int | None = None) -> Callable[[str], int | str]:
    """A parser of ``auto`` or an integer."""
    return lambda text: text if text == "auto" else integer(what, least)(text)
