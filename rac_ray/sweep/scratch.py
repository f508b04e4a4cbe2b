"""A folder for what a run throws away. What a driver left that was killed, the next one removes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rac_ray.store.lock import Lock, current_holder, living_holder
from rac_ray.store.storage import Storage

OWNER = "owner.json"
"""Which process a folder is of, as a sweep's folder tells of its driver."""
_PREFIX = "rac_ray-"


@contextmanager
def scratch() -> Iterator[str]:
    """A new folder for the duration; first those go that dead processes of this user left on this machine."""
    for left in left_behind():
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        mine = Storage.at(folder)
        mine.write_json(OWNER, asdict(Lock(mine, OWNER).holder))
        yield folder


def left_behind() -> list[Path]:
    """Folders whose process is dead; one of another machine, or without an owner, is nobody's business here."""
    mine = [
        path
        for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
        if path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid()
    ]
    return [path for path in mine if _is_dead(Storage.at(path))]


def _is_dead(folder: Storage) -> bool:
    return current_holder(folder, OWNER) is not None and living_holder(folder, OWNER, watch=False) is None
