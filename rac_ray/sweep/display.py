"""A run's progress on a terminal: a bar, and a row for each trial that runs, below all that is printed meanwhile."""

import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

WIDEST = 100
"""Columns that are used at most: a terminal that is made narrower breaks longer lines in two."""
BAR = (6, 24)
"""Columns of the bar, least and most; between them a fifth of the terminal."""
MOST_ROWS = 6


class Whole:
    """A terminal that shows each piece that is written as a whole, where it can (DEC's private mode 2026).

    A piece goes through in parts when the machine is busy, and half a frame looks like a broken one.
    """

    BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        """Write one piece."""
        self._terminal.write(f"{self.BEGIN}{text}{self.END}")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)


class Display:
    """The last lines of a terminal, drawn when asked; ``close`` takes them away."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._console = Console(file=cast(TextIO, Whole(terminal)), force_terminal=True, highlight=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=True,
            vertical_overflow="crop",
        )
        self._live.start()
        self._console.show_cursor(True)  # a run that is killed leaves a terminal with a cursor

    def draw(self, ended: int, total: int, words: str, rows: Sequence[str]) -> None:
        """Show a bar of ended trials of all, words beside it, and rows below, in place of what was shown before.

        What does not fit the terminal's size of now is cut off: ends of lines, and the last rows.
        """
        columns, lines = os.get_terminal_size(self._terminal.fileno())
        width = min(columns, WIDEST)
        self._console.size = (width, lines)  # pyright: ignore[reportAttributeAccessIssue]
        least, most = BAR
        bar = ProgressBar(total=total, completed=ended, width=max(least, min(most, width // 5)))
        first = Table.grid(padding=(0, 1))
        first.add_column(min_width=bar.width, no_wrap=True)
        first.add_column(no_wrap=True, overflow="ellipsis")
        first.add_row(bar, Text(words))
        kept = shortened(rows, min(MOST_ROWS, max(0, lines - 2)))
        below = [Text(row, no_wrap=True, overflow="ellipsis") for row in kept]
        self._live.update(Group(first, *below), refresh=True)

    def above(self, line: str) -> None:
        """Print a line: above the display where both are on a terminal, else where it would go without one."""
        if sys.stdout.isatty():
            self._console.print(Text(line), soft_wrap=True)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """Take it away; what was printed above it stays."""
        self._live.stop()


def shortened(rows: Sequence[str], most: int) -> list[str]:
    """At most so many rows, of which the last says how many are left out."""
    if len(rows) <= most:
        return list(rows)
    kept = list(rows[: max(0, most - 1)])
    return [*kept, f"and {len(rows) - len(kept)} more"][:most]
