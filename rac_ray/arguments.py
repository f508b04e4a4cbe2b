"""Arguments of commands: their types, and how a command ends. A user's mistake is one sentence, never a traceback.

Exit codes: 0 all planned trials are done (or the question is answered), 1 some trials failed (or the data does not
verify, a replay differs, a driver does not stop), 2 bad input, 3 some trials have not run, 4 another driver holds the
sweep, 130 interrupted.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from rac_ray.errors import BAD_INPUT, BUSY, INTERRUPTED, UNFINISHED, BadInput
from rac_ray.object_store import RETRY_SECONDS, is_transient
from rac_ray.storage import FULL_DISK


class Parser(argparse.ArgumentParser):
    """Turns argparse's usage errors into the one-sentence kind, and takes options by their whole names only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message}; see {self.prog} --help")


def integer(what: str, least: int | None = None) -> Callable[[str], int]:
    """An argparse type that names what is not an integer, or is below ``least``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise BadInput(f"{what} {text!r} is not an integer") from error
        if least is not None and value < least:
            raise BadInput(f"{what} is {value}; valid: {least} or more")
        return value

    return parse


def number(what: str) -> Callable[[str], float]:
    """An argparse type for numbers from 0 up."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError as error:
            raise BadInput(f"{what} {text!r} is not a number") from error
        if not value >= 0:
            raise BadInput(f"{what} is {text}; valid: 0 or more")
        return value

    return parse


def listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def auto_or_integer(text: str) -> int | str:
    return text if text == "auto" else integer("--trials-per-gpu", 1)(text)


def run_command(command: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its code; a user's mistake is one sentence on stderr, never a traceback."""
    from rac_ray.lock import Busy

    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    try:
        code = command()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        code = BUSY if isinstance(error, Busy) else BAD_INPUT
    except OSError as error:
        if error.errno in FULL_DISK:
            said = f"{error.filename or 'the disk'} is full; make room, the same command goes on"
        elif is_transient(error):
            said = f"the storage has not answered for {RETRY_SECONDS:.0f} s; the same command goes on: {error}"
        else:
            raise
        print(f"error: {said}", file=sys.stderr)
        code = UNFINISHED
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def add_results(parser: argparse.ArgumentParser) -> None:
    """The options of ``results``."""
    add = parser.add_argument
    add("--to", metavar="DIR", help="folder for tables, figures and report")
    add("--verdict", action="store_true", help="what the sweep says to each claim of the paper")
    add("--report", action="store_true", help="also one HTML page, report.html, that opens offline")
    add("--watch", type=integer("--watch", 1), metavar="SECONDS", help="look again so often until the sweep is done")
    add("--capsule", metavar="FILE", help="pack records, environment, tables and figures, as in out.tar.zst")
