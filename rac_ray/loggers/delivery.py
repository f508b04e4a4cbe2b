"""News on its way to one logger, which runs in a process of its own that nobody waits for."""

import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from rac_ray.counted import counted
from rac_ray.loggers.messages import Message
from rac_ray.loggers.process import Start

LEAVING_SECONDS = 3.0
"""Time that a process has to end by itself once it has written everything."""


@dataclass(frozen=True)
class Patience:
    """Seconds that a logger has before it is stopped."""

    start: float = 90.0
    """To load its library and reach what it writes to."""
    answer: float = 60.0
    """To write the news of one training."""
    end: float = 30.0
    """To write what is left at the end, all loggers together."""


class Stopped(Exception):
    """Why a logger is not told any more."""


class Delivery:
    """Hands messages to one logger, in their order, from a thread; ``stopped`` becomes a sentence if that fails."""

    def __init__(self, name: str, start: Start, patience: Patience) -> None:
        """``name`` is for people."""
        self.name = name
        self.start = start
        self.patience = patience
        self.stopped = ""
        self.taken = self.written = 0
        self._queue: SimpleQueue[Message | None] = SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._deliver, name=f"log to {name}", daemon=True)

    def put(self, message: Message) -> None:
        """Take a message; returns at once. The first one starts the process."""
        if self.stopped:
            return
        self._queue.put(message)
        self.taken += 1
        if self.taken == 1:
            self._thread.start()

    def end(self) -> None:
        """Say that nothing more is put; returns at once."""
        self._queue.put(None)

    def wait(self, until: float) -> None:
        """Wait until all is written, or a moment of the monotonic clock; then end the process, whatever it does."""
        if not self.taken:
            return
        try:
            self._thread.join(None if until == math.inf else max(0.0, until - time.monotonic()))
        finally:
            if self._thread.is_alive():
                self._stop(f"{self.taken - self.written} of {counted(self.taken, 'message')} were not written in time")
                self._kill()

    def _deliver(self) -> None:
        try:
            with self._logger() as connection:
                _send_start(connection, self.start)
                _require_answer(connection, self.patience.start)
                while (message := self._queue.get()) is not None:
                    connection.send(message)
                    _require_answer(connection, self.patience.answer)
                    self.written += 1
                connection.send(None)
                _require_answer(connection, self.patience.answer)
        except Stopped as error:
            self._stop(str(error))
        except (OSError, EOFError):
            self._stop("its process ended without a word")

    def _stop(self, why: str) -> None:
        self.stopped = self.stopped or why

    @contextmanager
    def _logger(self) -> Iterator[Connection]:
        """The logger's process, which is in a group of its own: Ctrl-C is not for it, and its children end with it."""
        here, there = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rac_ray.loggers.process", str(there.fileno())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(there.fileno(),),
            start_new_session=True,
        )
        there.close()
        try:
            with here:
                if self.stopped:  # while the process was started
                    raise Stopped(self.stopped)
                yield here
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LEAVING_SECONDS)
        finally:
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _send_start(connection: Connection, start: Start) -> None:
    """What somebody defined in the script that is run goes by value, all else by its name."""
    if isinstance(start.make, str):
        connection.send_bytes(pickle.dumps(start))
        return
    from ray.cloudpickle import dumps  # pyright: ignore[reportAttributeAccessIssue]

    try:
        content = dumps(start)
    except Exception as error:  # whatever pickling says of a class of somebody's own
        raise Stopped(f"it cannot be sent to a process of its own: {type(error).__name__}: {error}") from error
    connection.send_bytes(content)


def _require_answer(connection: Connection, seconds: float) -> None:
    if not connection.poll(seconds):
        raise Stopped(f"no answer for {seconds:.0f} s")
    if said := connection.recv():
        raise Stopped(said)
