"""A local Ray in a process of its own: it starts while a driver still plans, and ends with it, however that ends.

Run as a script it imports nothing of this package: Ray is all that its start needs, besides psutil.
"""

import contextlib
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil


class Head:
    """The process, as the driver sees it."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Begin to start a Ray with some of ``ray.init``'s options; returns at once."""
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the driver, which ends this one in its turn
        )

    def address(self) -> str:
        """Where it is, once it is up. Raises RuntimeError, with Ray's own words, when it could not start."""
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline() or '{"error": "its process has ended"}')
        if "error" in said:
            raise RuntimeError(f"Ray did not start: {said['error']}")
        return said["address"]

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
        for each in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.communicate()

    def end(self) -> None:
        """Let it go down in order."""
        self._process.communicate()


def main(options: dict[str, Any]) -> None:
    """Start Ray, say where it is, and end it when the driver closes its pipe or is gone."""
    import ray

    try:
        ray.init(address="local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # noqa: BLE001 - the driver is told, whatever it is
        print(json.dumps({"error": str(error)}), flush=True)
        return
    print(json.dumps({"address": ray.get_runtime_context().gcs_address}), flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.path.pop(0)  # this folder: its modules have names that others have, too
    main(json.loads(sys.argv[1]))
