"""Loggers by name: TensorBoard, MLflow, W&B, and those that somebody registers.

A logger of your own is one decorator: ``@register("mine")`` above a class that is made as ``Make`` says. It may stand
in the script that is run. One of this package is a file and a line. None is loaded before somebody asks for it.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeVar

from rac_ray.errors import BadInput, one_of
from rac_ray.loggers.protocol import Make
from rac_ray.store.redaction import without_credentials
from rac_ray.store.storage import Storage

Made = TypeVar("Made", bound=Make)


def folder_beside(given: str, storage: Storage) -> str:
    """A folder for TensorBoard: the given one, or ``tensorboard`` in the storage. Raises BadInput for a bucket."""
    found = Storage.at(given) if given else storage.below("tensorboard")
    if not found.is_local:
        raise BadInput(f"--log tensorboard writes to a folder, and {found.root!r} is none: --log tensorboard=FOLDER")
    return found.root


def tracking_server(given: str, _storage: Storage) -> str:
    """The given address of an MLflow server, or that of its environment variable. Raises BadInput without one."""
    if found := given or os.environ.get("MLFLOW_TRACKING_URI", ""):
        return found
    raise BadInput("--log mlflow needs a server; say --log mlflow=http://HOST:PORT or set $MLFLOW_TRACKING_URI")


def project(given: str, _storage: Storage) -> str:
    """W&B's PROJECT or ENTITY/PROJECT; empty: that of its environment variable, or the sweep's name."""
    return given or os.environ.get("WANDB_PROJECT", "")


@dataclass(frozen=True)
class Library:
    """A logger of this package, whose library may be missing."""

    home: str
    """Module of the logger; its class is ``LOGGER`` there."""
    place: Callable[[str, Storage], str]
    """What it writes to, given what was said after ``=`` and the storage of the sweeps. Raises BadInput."""


LOGGERS: dict[str, Library | Make] = {
    "tensorboard": Library("rac_ray.loggers.tensorboard", folder_beside),
    "mlflow": Library("rac_ray.loggers.mlflow", tracking_server),
    "wandb": Library("rac_ray.loggers.wandb", project),
}
"""By name; a library, and the extra that brings it, has the logger's name."""
CLASHES: set[str] = set()
"""Names that two loggers were registered by."""


def register(name: str) -> Callable[[Made], Made]:
    """Decorator of a logger's class, or of a function that makes one: ``--log NAME`` knows it from then on.

    It runs in a process of its own, and is called as ``make(where, sweep)`` there. A name that is taken is an error as
    soon as a logger of that name is asked for.
    """

    def added(make: Made) -> Made:
        if LOGGERS.setdefault(name, make) is not make:
            CLASHES.add(name)
        return make

    return added


@dataclass(frozen=True)
class Destination:
    """A logger that is asked for, and what it writes to."""

    name: str
    where: str

    def __str__(self) -> str:
        return without_credentials(f"{self.name} ({self.where})") if self.where else self.name


def destinations(asked: Sequence[str], storage: Storage) -> list[Destination]:
    """What ``NAME`` or ``NAME=WHERE`` name, given the storage of the sweeps. Loads no library.

    A logger that is named twice counts once, as the last time.
    Raises BadInput for an unknown logger, one whose library is missing, or one that cannot tell where to write.
    """
    named = {name: given for name, _, given in (word.partition("=") for word in asked)}
    return [_destination(name, given, storage) for name, given in named.items()]


def _destination(name: str, given: str, storage: Storage) -> Destination:
    if name not in LOGGERS:
        raise one_of("logger", name, LOGGERS)
    if name in CLASHES:
        raise BadInput(f"there are two loggers of the name {name!r}; give one of them another name")
    logger = LOGGERS[name]
    if not isinstance(logger, Library):
        return Destination(name, given)
    if find_spec(name) is None:
        raise BadInput(f"--log {name} needs a library that is not installed: pip install 'rac-ray[{name}]'")
    return Destination(name, logger.place(given, storage))
