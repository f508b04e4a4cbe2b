"""The one exception that means "the user asked for something impossible", and what commands exit with."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

DONE, FAILED, BAD_INPUT, UNFINISHED, BUSY, INTERRUPTED, UNREAD = 0, 1, 2, 3, 4, 130, 141
"""Exit codes; ``cli`` says when."""


class BadInput(Exception):
    """A user's mistake, told in one sentence; the command line prints it and exits with code 2."""


def one_of(what: str, value: object, valid: Iterable[object]) -> BadInput:
    """The standard sentence for a value outside a closed set: names the value and the valid ones."""
    return BadInput(f"unknown {what} {value!r}; valid: {', '.join(str(v) for v in valid)}")


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Imports inside that fail, for want of what an extra of the package brings, raise BadInput and name the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadInput(f"{error.name} is not installed; valid: after pip install 'rac-ray[{extra}]'") from error
