"""The one exception that means "the user asked for something impossible", and what commands exit with."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

DONE, FAILED, BAD_INPUT, UNFINISHED, BUSY, INTERRUPTED, UNREAD = 0, 1, 2, 3, 4, 130, 141
"""Exit codes; ``cli`` says when."""


class BadInput(Exception):
    """A user's mistake, told in one sentence; the command line prints it and exits with code 2."""


def one_of(what: str, value: object, valid: Iterable[object]) -> BadInput:
    """The standard sentence for a value outside a closed set: names the value, a similar valid one, and all of them."""
    names = {str(each).lower(): str(each) for each in valid}
    near = get_close_matches(str(value).lower(), names, n=1, cutoff=0.8)
    meant = f" did you mean {names[near[0]]}?" if near else ""
    return BadInput(f"unknown {what} {value!r};{meant} valid: {', '.join(names.values())}")


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Imports inside that fail, for want of what an extra of the package brings, raise BadInput and name the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadInput(f"{error.name} is not installed; valid: after pip install 'rac-ray[{extra}]'") from error
