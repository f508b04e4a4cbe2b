"""Loggers of tests: one that keeps a diary, and some that should not be trusted."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from rac_ray.loggers.protocol import Run, Sweep


class Diary:
    """Writes a line of JSON for each call to the file ``where``."""

    def __init__(self, where: str, sweep: Sweep) -> None:
        self.path = Path(where)
        self._add("made", title=sweep.title)

    def write(self, run: Run) -> None:
        self._add("write", key=run.key, state=run.state, epochs=[row["epoch"] for row in run.epochs])

    def attach(self, step: int, files: Mapping[str, Path]) -> None:
        self._add("attach", step=step, files=sorted(files))

    def close(self) -> None:
        self._add("close")

    def _add(self, what: str, **more: object) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"what": what, **more}) + "\n")


class Raises(Diary):
    """Cannot write a run."""

    def write(self, run: Run) -> None:
        raise RuntimeError(f"no room for {run.name}; password=secret")


class Hangs(Diary):
    """Never comes back from a run, in a way that no other thread can interrupt."""

    def write(self, run: Run) -> None:
        super().write(run)
        time.sleep(3600)


class Slow(Diary):
    """Needs a while for a run."""

    def write(self, run: Run) -> None:
        time.sleep(1)
        super().write(run)


class Dies(Diary):
    """Takes its process with it."""

    def write(self, run: Run) -> None:
        os._exit(7)


class Lingers(Diary):
    """Has written everything, and does not end."""

    def close(self) -> None:
        super().close()
        import atexit

        atexit.register(time.sleep, 3600)


def lines_of(path: Path) -> list[dict[str, object]]:
    """All calls so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
