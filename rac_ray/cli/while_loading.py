"""How a command ends that is told to stop before its libraries are loaded: at once, since nothing is open yet."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from rac_ray.errors import INTERRUPTED

SENTENCE = "interrupted; the same command goes on from here"


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Have SIGTERM, Ctrl-C and the end of the terminal end this process with 130, unless who started it wants it deaf
    to the last two."""
    asked = {signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.getsignal(number) for number in asked}
    for number, usual in asked.items():
        if number == signal.SIGTERM or before[number] == usual:
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    with suppress(OSError):  # nobody reads it
        os.write(2, f"{SENTENCE}\n".encode())
    os._exit(INTERRUPTED)
