"""How a command ends. A user's mistake is one sentence, never a traceback.

Exit codes: 0 all that can be is done (or the question is answered), 1 some trials failed (or the data does not
verify, a replay differs, a driver does not stop), 2 bad input, 3 some trials have not run, 4 another driver holds the
sweep, 130 interrupted, 141 nobody reads the output any more, as after ``| head``.
"""

import errno
import os
import select
import shutil
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from rac_ray.cli.while_loading import SENTENCE
from rac_ray.errors import BAD_INPUT, BUSY, INTERRUPTED, UNFINISHED, UNREAD, BadInput
from rac_ray.store.object_store import RETRY_SECONDS, is_transient
from rac_ray.store.storage import FULL_DISK
from rac_ray.store.visible import in_one_line, shortened, visible

FEWEST_COLUMNS = 20
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
"""Numbers of an OSError for a place where this user may not read or write."""


def run_command(command: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its code; a user's mistake is one sentence on stderr, never a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # else nohup has asked to go on without the terminal
        signal.signal(signal.SIGHUP, _interrupt)
    from rac_ray.store.lock import Busy

    for name in ("stdout", "stderr"):  # None, where whoever started this has closed it
        setattr(sys, name, getattr(sys, name) or open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a letter that a terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    _widen()
    try:
        code = command()
        sys.stdout.flush()
    except BadInput as error:
        print(f"error: {visible(shortened(in_one_line(str(error))))}", file=sys.stderr)
        code = BUSY if isinstance(error, Busy) else BAD_INPUT
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _unread():
            sys.exit(UNREAD)
        code = UNFINISHED
        if error.errno == errno.ENAMETOOLONG:
            said, code = "a path or a name is longer than the file system can hold", BAD_INPUT
        elif error.errno == errno.EISDIR:
            said, code = f"{error.filename2 or error.filename} is a folder, where a file should be", BAD_INPUT
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            said, code = f"{error.filename} is, or leads through, a file, where a folder should be", BAD_INPUT
        elif error.errno in NOT_ALLOWED:
            said, code = f"{error.filename or 'a file'} may not be read or written: {error.strerror}", BAD_INPUT
        elif error.errno == errno.ENOENT and not _stands_somewhere():
            said, code = "the current folder has been removed; valid: after cd to one that exists", BAD_INPUT
        elif error.errno in FULL_DISK:
            said = f"{error.filename or 'the disk'} is full; make room, the same command goes on"
        elif is_transient(error):
            said = f"the storage has not answered for {RETRY_SECONDS:.0f} s; the same command goes on: {error}"
        else:
            raise
        print(f"error: {visible(said)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(SENTENCE, file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _widen() -> None:
    """Have help laid out for a few columns at least, where a terminal or ``COLUMNS`` has next to none."""
    columns = shutil.get_terminal_size().columns
    if columns < FEWEST_COLUMNS or "COLUMNS" in os.environ:
        os.environ["COLUMNS"] = str(max(columns, FEWEST_COLUMNS))


def _stands_somewhere() -> bool:
    """Whether the current folder exists."""
    try:
        return bool(Path.cwd())
    except FileNotFoundError:
        return False


def _unread() -> bool:
    """Whether the reader of stdout is gone; what it has not read is dropped then."""
    asked = select.poll()
    asked.register(sys.stdout.fileno(), 0)
    if not any(events & select.POLLERR for _, events in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _interrupt(_number: int, _frame: object) -> None:
    """Do as Ctrl-C does, also where a shell has started the command in the background, which ignores that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
