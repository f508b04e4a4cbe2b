"""A local Ray in a process of its own: it starts while a driver still plans, and ends with it, however that ends.

Run as a script it imports nothing of this package: Ray is all that its start needs, besides psutil.
"""

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

VITAL = ("raylet", "gcs_server")
"""Processes of a Ray without which its drivers end, some seconds later and without a word (2.60)."""
LOST = "lost: "
"""Begins the line that names one that has died."""
LOOK_SECONDS = 0.2
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has a node take the loopback's address for its own, so that all of its processes listen there alone: Ray's setting
for machines that form no cluster (2.60). ``ray.init`` would turn a loopback's address that it is given into the
machine's."""


class Head:
    """The process, as the driver sees it."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Begin to start a Ray with some of ``ray.init``'s options; returns at once."""
        self._listener: threading.Thread | None = None
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ON_LOOPBACK},
            start_new_session=True,  # Ctrl-C is for the driver, which ends this one in its turn
        )

    def address(self) -> str:
        """Where it is, once it is up. Raises RuntimeError, with Ray's own words, when it could not start.

        The loopback's address is spelled in IPv6's way, by which ``ray.init`` does not know it, and leaves it as it is.
        """
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline() or '{"error": "its process has ended"}')
        if "error" in said:
            raise RuntimeError(f"Ray did not start: {said['error']}")
        host, _, port = said["address"].rpartition(":")
        return f"[::ffff:{host}]:{port}"

    def watch(self, lost: Callable[[str], None]) -> None:
        """Have ``lost`` called, in a thread, with the name of a process of this Ray that has died before its time."""
        self._listener = threading.Thread(target=self._listen, args=(lost,), name="Ray's processes", daemon=True)
        self._listener.start()

    def _listen(self, lost: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(LOST):  # else it is Ray's own, which says more of the same
                lost(line.removeprefix(LOST).strip())

    def abandon(self) -> None:
        """End it in the middle of its start, with what it has started.

        The kernel kills the processes of a Ray with their parent, but one that has just been forked has not asked it to
        yet. Therefore this one is stopped first, and starts nothing while it is looked at.
        """
        process = psutil.Process(self._process.pid)
        process.suspend()
        while process.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}:
            time.sleep(0.001)
        below = process.children(recursive=True)
        self._process.kill()
        _kill(below)
        self._process.communicate()

    def end(self) -> None:
        """Let it go down in order."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        if self._listener:
            self._listener.join()
        self._process.stdout.close()


def main(options: dict[str, Any]) -> None:
    """Start Ray, say where it is, and end it when the driver closes its pipe or is gone.

    Says which one, too, when one of the processes dies that no driver outlives.
    """
    import ray

    try:
        ray.init(address="local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # noqa: BLE001 - the driver is told, whatever it is
        print(json.dumps({"error": str(error)}), flush=True)
        return
    print(json.dumps({"address": ray.get_runtime_context().gcs_address}), flush=True)
    vital = [each for each in psutil.Process().children(recursive=True) if each.name() in VITAL]
    while all(map(_lives, vital)):
        if select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the driver may be gone
            ray.shutdown()
            return
    print(f"\n{LOST}{next(each.name() for each in vital if not _lives(each))}", flush=True)
    sys.stdin.read()
    _kill(psutil.Process().children(recursive=True))
    os._exit(1)  # in order it would wait for what has died


def _kill(processes: Iterable[psutil.Process]) -> None:
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.path.pop(0)  # this folder: its modules have names that others have, too
    main(json.loads(sys.argv[1]))
