"""Options of a grid: their values from the text of a command line, and what they do to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import get_annotations
from typing import Any, TypeVar

import msgspec

from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage

AnyGrid = TypeVar("AnyGrid")
MOST_DIGITS = 100
"""Of a whole number: Python itself refuses to read some thousand."""


@dataclass(frozen=True)
class Option:
    """A setting of a study's grids that every verb takes."""

    name: str
    """As in ``hidden_units``; ``--hidden-units`` on the command line."""
    parse: Callable[[str], Any]
    """From the command line's text. Raises BadInput."""
    help: str
    repeated: bool = False
    """Whether the command line takes it several times; ``parse`` then gets all texts, with ``;`` between them."""

    @property
    def kind(self) -> Any:
        """Type of its values, as far as ``parse`` says what it returns."""
        return str if self.parse is str else get_annotations(self.parse).get("return", Any)

    @property
    def flag(self) -> str:
        """As in ``--hidden-units``."""
        return f"--{self.name.replace('_', '-')}"

    def typed(self, value: Any) -> list[str]:
        """The words of a command line that say a value."""
        if self.repeated:
            return [word for text in value for word in (self.flag, text)]
        values = value if isinstance(value, list | tuple) else [value]
        return [self.flag, ",".join("none" if each is None else str(each) for each in values)]

    def remembered(self, value: Any, where: str) -> Any:
        """A value that a file has of it. Raises BadInput, with ``where``, for one that ``parse`` cannot have given."""
        try:
            return msgspec.convert(value, self.kind)
        except msgspec.ValidationError as error:
            raise BadInput(
                f"{where} has {str(value)[:100]!r} for {self.flag} ({error}); delete it, or give {self.flag}"
            ) from error


def with_axes(grid: AnyGrid, axes: Mapping[str, str], asked: Mapping[str, Any]) -> AnyGrid:
    """A grid, which is a dataclass, with the axes that are asked for in place of its own; repeated values count once.

    ``axes`` are names of the grid's fields by options. Raises BadInput for an axis without values.
    """
    changes = {axes[name]: tuple(dict.fromkeys(asked[name])) for name in axes if asked.get(name) is not None}
    for name, axis in axes.items():
        require_some(name, changes.get(axis))
    return replace(grid, **changes)  # pyright: ignore[reportArgumentType]


def require_some(name: str, values: Sequence[Any] | None) -> None:
    """Raise BadInput for an option that is given, and has no value."""
    if values is not None and not values:
        raise BadInput(f"--{name.replace('_', '-')} names nothing; give one value or more")


def words(text: str) -> list[str]:
    """``a,b`` as its parts."""
    return [item.strip() for item in text.split(",") if item.strip()]


def named(text: str) -> str:
    """``a,b`` as a text: of what is added to a grid, and so remembered, where lists narrow it."""
    return ",".join(words(text))


def integers(what: str) -> Callable[[str], list[int]]:
    """A parser of ``2,4`` that names what is not an integer."""

    def parse(text: str) -> list[int]:
        return [whole_number(what, word) for word in words(text)]

    return parse


def numbers(what: str) -> Callable[[str], list[float | None]]:
    """A parser of ``0.1,1e-3,none`` that names what is not a number."""

    def parse(word: str) -> float | None:
        try:
            return None if word == "none" else float(word)
        except ValueError as error:
            raise BadInput(f"{what} {word!r} is not a number") from error

    def parse_all(text: str) -> list[float | None]:
        return [parse(word) for word in words(text)]

    return parse_all


def place(text: str) -> str:
    """A file, folder or URI as one that means the same from any working directory."""
    return Storage.at(text).root


def places(text: str) -> str:
    """``a,b`` with each folder or URI as one that means the same from any working directory."""
    return ",".join(map(place, words(text)))


def whole_number(what: str, text: str) -> int:
    """A text of digits as an integer; BadInput names what is none, underscores and points included."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise BadInput(f"{what} {text!r} is not an integer")
    if len(digits) > MOST_DIGITS:
        raise BadInput(f"{what} has {len(digits)} digits; valid: at most {MOST_DIGITS}")
    return int(text)
