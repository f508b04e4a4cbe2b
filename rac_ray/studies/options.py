"""Values of options, from the text of a command line."""

from collections.abc import Callable

from rac_ray.errors import BadInput
from rac_ray.storage import Storage


def words(text: str) -> list[str]:
    """``a,b`` as its parts."""
    return [item.strip() for item in text.split(",") if item.strip()]


def integers(what: str) -> Callable[[str], list[int]]:
    """A parser of ``2,4`` that names what is not an integer."""

    def parse(text: str) -> list[int]:
        return [whole_number(what, word) for word in words(text)]

    return parse


def place(text: str) -> str:
    """A file, folder or URI as one that means the same from any working directory."""
    return Storage.at(text).root


def whole_number(what: str, text: str) -> int:
    """A text of digits as an integer; BadInput names what is none, underscores and points included."""
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise BadInput(f"{what} {text!r} is not an integer")
    return int(text)
