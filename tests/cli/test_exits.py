"""How commands end: their exit codes, and one sentence on stderr instead of a traceback."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rac_ray.cli.exits import run_command
from rac_ray.errors import BadInput
from rac_ray.store.lock import Busy
from tests.signals import as_a_shell_starts_it

NO_FOLDER = "is, or leads through, a file, where a folder should be"
WAITS = """
import time
from rac_ray.cli.exits import run_command

def command():
    print("begun", flush=True)
    time.sleep(60)
    return 0

run_command(command)
"""


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str]):
    """How a command ends in this process: (exit code, stderr). What it does to signals is undone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(command: Callable[[], int]) -> tuple[int | str | None, str]:
        with pytest.raises(SystemExit) as stopped:
            run_command(command)
        out, err = capsys.readouterr()
        assert out == ""
        return stopped.value.code, err

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_commands_own_code_is_the_exit_code(code: int, ended) -> None:
    assert ended(lambda: code) == (code, "")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadInput("there is no such thing"), 2, "error: there is no such thing\n"),
        (Busy("somebody holds it"), 4, "error: somebody holds it\n"),
        (OSError(errno.ENOSPC, "full", "/data/x"), 3, "error: /data/x is full; make room, the same command goes on\n"),
        (OSError(errno.EDQUOT, "full"), 3, "error: the disk is full; make room, the same command goes on\n"),
        (OSError(errno.ENAMETOOLONG, "x"), 2, "error: a path or a name is longer than the file system can hold\n"),
        (
            IsADirectoryError(errno.EISDIR, "x", "x.tmp-1", None, "x"),
            2,
            "error: x is a folder, where a file should be\n",
        ),
        (FileExistsError(errno.EEXIST, "there", "x"), 2, f"error: x {NO_FOLDER}\n"),
        (NotADirectoryError(errno.ENOTDIR, "no folder", "x/y"), 2, f"error: x/y {NO_FOLDER}\n"),
        (PermissionError(errno.EACCES, "no", "x"), 2, "error: x may not be read or written: no\n"),
        (OSError(errno.EROFS, "read-only"), 2, "error: a file may not be read or written: read-only\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on from here\n"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(error: BaseException, code: int, said: str, ended) -> None:
    assert ended(raising(error)) == (code, said)


@pytest.mark.parametrize("error", [ValueError("a defect"), FileNotFoundError(errno.ENOENT, "no", "x")])
@pytest.mark.usefixtures("ended")
def test_a_defect_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        run_command(raising(error))
    assert raised.value is error


def test_a_current_folder_that_has_gone_is_named(ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = "error: the current folder has been removed; valid: after cd to one that exists\n"
    assert ended(lambda: len(str(Path.cwd()))) == (2, said)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_command_whose_outputs_are_closed_ends_as_any(closed: str, repository: Path) -> None:
    code = "from rac_ray.cli.exits import run_command; run_command(lambda: print('said') or 3)"
    command = f"'{sys.executable}' -c \"{code}\" {closed}"
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n" * closed.startswith("2"), "")


@pytest.mark.parametrize(("given", "used"), [("0", "80"), ("2", "20"), ("-3", "80"), ("wide", "80"), ("33", "33")])
def test_help_has_a_few_columns_at_least(given: str, used: str, ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", given)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    assert ended(lambda: int(os.environ["COLUMNS"])) == (int(used), "")


def test_a_command_under_nohup_outlives_its_terminal(repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    with subprocess.Popen(
        ["nohup", sys.executable, "-c", WAITS],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("number", "at_first"),
    [
        (signal.SIGINT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_IGN),
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_IGN),
    ],
)
def test_a_process_that_is_told_to_stop_ends_as_interrupted(
    number: signal.Signals, at_first: signal.Handlers, repository: Path
) -> None:
    """A shell has what it starts in the background ignore Ctrl-C."""
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    with subprocess.Popen(
        [sys.executable, "-c", WAITS],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(as_a_shell_starts_it, at_first),
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "interrupted; the same command goes on from here\n")


def test_a_letter_that_a_terminal_cannot_show_is_printed_as_a_code(repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository), "PYTHONIOENCODING": "ascii"}
    code = "from rac_ray.cli.exits import run_command; run_command(lambda: print('Broomé') or 0)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Broom\\xe9\n", "")


PRINTS = """
import sys
from rac_ray.cli.exits import run_command
from rac_ray.errors import BadInput

def command():
    for number in range(100_000):
        print(number, flush=len(sys.argv) > 1)
    return 0

run_command(command)
"""


@pytest.mark.parametrize("at_once", [(), ("flush",)], ids=["at the end", "at once"])
def test_output_that_nobody_reads_to_its_end_is_no_error(at_once: tuple[str, ...]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINTS, *at_once], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


def test_another_pipe_that_breaks_is_a_defect() -> None:
    script = "from rac_ray.cli.exits import run_command\n"
    script += "def command(): raise BrokenPipeError('a decoder')\nrun_command(command)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "BrokenPipeError: a decoder")


def test_a_sentence_gives_a_terminal_no_commands(ended) -> None:
    assert ended(raising(BadInput("no \x1b[2J"))) == (2, "error: no \\x1b[2J\n")
