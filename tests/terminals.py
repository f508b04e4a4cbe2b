"""Real pseudo-terminals, and what they show: for tests of what people see."""

import os
import pty
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import pyte


class Terminal:
    """A pseudo-terminal whose screen is kept as a person would see it."""

    def __init__(self, columns: int = 100, lines: int = 24) -> None:
        self._ours, self._theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self._screen = pyte.HistoryScreen(columns, lines, history=10_000, ratio=1)
        self._stream = pyte.ByteStream(self._screen)
        self.bytes = b""
        """All that was ever written to it."""
        self.resize(columns, lines)

    def open(self) -> TextIO:
        """A file that writes to it."""
        return os.fdopen(os.dup(self._theirs), "w")

    def resize(self, columns: int, lines: int = 24) -> None:
        """Make it as large as that; programs are told as by a window that is dragged."""
        termios.tcsetwinsize(self._theirs, (lines, columns))
        self._screen.resize(lines, columns)

    def shown(self) -> list[str]:
        """Lines on the screen, without the empty ones at the end."""
        try:
            while piece := os.read(self._ours, 65536):
                self.bytes += piece
                self._stream.feed(piece)
        except OSError:  # nothing more for now, or for ever
            pass
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def whole(self) -> bool:
        """Whether what is shown is no part of a piece that is to be shown at once (DEC's private mode 2026)."""
        return 2026 << 5 not in self._screen.mode

    def scrolled(self) -> list[str]:
        """Lines that have left the screen at its top."""
        top = self._screen.history.top
        return ["".join(row[column].data for column in range(self._screen.columns)).rstrip() for row in top]

    def run(
        self, command: Sequence[str], folder: Path, environment: dict[str, str], look: Callable[[list[str]], None]
    ) -> int:
        """Run a command on it, looking at each new whole screen; returns the exit code."""
        before: list[str] = []
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs
        ) as process:
            while process.poll() is None:
                if (now := self.shown()) != before and self.whole:
                    look(before := now)
                try:
                    process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
            return process.returncode

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)
