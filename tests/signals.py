"""What a process that tests start makes of signals, whoever runs the tests."""

import signal
from typing import Any


def as_a_shell_starts_it(sigint: Any) -> None:
    """``preexec_fn``: SIGHUP ends the process, also under nohup, and SIGINT has this handler."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, sigint)
