"""The process of one logger: ``python -m rac_ray.loggers.process FD``, where FD is a socket to the driver.

A library that hangs, or takes the whole process with it, harms nobody else here. It ends with its driver.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import cast

from rac_ray.loggers.messages import Message
from rac_ray.loggers.protocol import Logger, Make, Sweep
from rac_ray.store.ledger import Ledger
from rac_ray.store.redaction import without_credentials

LAST_SECONDS = 20.0
"""Time to write what is left when the driver is gone."""
NICENESS = 10
"""Trainings come first."""
LONGEST = 200
"""Characters of why a logger stopped."""


@dataclass(frozen=True)
class Start:
    """The driver's first words."""

    make: "str | Make"
    """A module of this package, or what somebody has registered."""
    where: str
    sweep: Sweep
    ledger: Ledger

    def logger(self) -> Logger:
        """Load the library, and make the logger."""
        make = cast("Make", import_module(self.make).LOGGER) if isinstance(self.make, str) else self.make
        return make(self.where, self.sweep)


class Failed(Exception):
    """The driver has been told that something could not be done, and will say nothing more."""


def serve(connection: Connection) -> None:
    """Do what the driver says, message by message; each is answered by why it could not be done, or nothing."""
    start: Start = connection.recv()
    with suppress(Failed):
        with answering(connection):
            logger = start.logger()
        try:
            while (message := _next(connection)) is not None:
                with answering(connection):
                    message.tell(start.ledger, logger)
            with answering(connection):
                logger.close()
        except (EOFError, ConnectionError):
            timer = threading.Timer(LAST_SECONDS, os._exit, (1,))
            timer.daemon = True
            timer.start()
            logger.close()


def _next(connection: Connection) -> Message | None:
    """The next message; None: that was the last one. Raises EOFError or ConnectionError when the driver is gone."""
    return connection.recv()


@contextmanager
def answering(connection: Connection) -> Iterator[None]:
    """Tell the driver what came of what is done meanwhile. Raises Failed when it could not be done."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(without_credentials(str(error)).split())}"
        with suppress(ConnectionError):
            connection.send(said[:LONGEST])
        raise Failed from error
    with suppress(ConnectionError):  # the driver is gone: there is no next message
        connection.send("")


if __name__ == "__main__":
    os.nice(NICENESS)
    serve(Connection(int(sys.argv[1])))
