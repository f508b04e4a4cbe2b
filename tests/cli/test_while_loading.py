"""A command that is told to stop while it loads."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from rac_ray.cli.while_loading import SENTENCE, ending_at_once
from tests.signals import as_a_shell_starts_it

LOADS = """
import time
from rac_ray.cli.while_loading import ending_at_once
with ending_at_once():
    print("loading", flush=True)
    time.sleep(PAUSE)
print("loaded")
"""


def told(number: signal.Signals, sigint: signal.Handlers, repository: Path, pause: float = 60) -> tuple[int, str, str]:
    """Exit code and words of a process that gets a signal while it loads."""
    with subprocess.Popen(
        [sys.executable, "-c", LOADS.replace("PAUSE", str(pause))],
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(as_a_shell_starts_it, sigint),
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "loading\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_it_ends_at_once_as_interrupted(number: signal.Signals, repository: Path) -> None:
    assert told(number, signal.SIG_DFL, repository) == (130, "", f"{SENTENCE}\n")


def test_what_a_shell_starts_in_the_background_is_deaf_to_ctrl_c(repository: Path) -> None:
    assert told(signal.SIGTERM, signal.SIG_IGN, repository)[0] == 130
    assert told(signal.SIGINT, signal.SIG_IGN, repository, pause=1) == (0, "loaded\n", "")


def test_handlers_are_those_of_before_again() -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with ending_at_once():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
