"""Names and listings of local folders, whatever lies there."""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rac_ray.errors import BadInput

LEADS_NOWHERE = (errno.ENOENT, errno.ELOOP)
"""Numbers of an OSError for a name whose file has gone, or for a link that leads nowhere."""


def absolute(path: str) -> str:
    """A local path without links, ``~`` and ``..``. Raises BadInput for one that cannot lead anywhere."""
    try:
        path.encode()
        return str(Path(path).expanduser().resolve())
    except UnicodeEncodeError as error:
        raise BadInput(f"storage {path!r} cannot be a folder: its name is not UTF-8") from error
    except FileNotFoundError as error:
        raise BadInput(f"storage {path!r} cannot be found: the current folder has been removed") from error
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, ~nobody, a zero byte
        raise BadInput(f"storage {path!r} cannot be a folder: {error}") from error


def walked(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below a local folder, by its path relative to it; what vanishes meanwhile or leads nowhere is not.

    Folders that are reached by links come last, so that links in a circle end and a real folder keeps its name.
    """
    waiting, seen = deque([(root, "")]), set[tuple[int, int]]()
    while waiting:
        folder, name = waiting.popleft()
        with suppress(FileNotFoundError):
            known = folder.stat()
            if (known.st_dev, known.st_ino) in seen:
                continue
            seen.add((known.st_dev, known.st_ino))
            for entry, found in _entries(folder):
                if stat.S_ISREG(found.st_mode):
                    yield name + entry.name, found
                elif stat.S_ISDIR(found.st_mode):
                    add = waiting.append if entry.is_symlink() else waiting.appendleft
                    add((Path(entry.path), f"{name}{entry.name}/"))


def _entries(folder: Path) -> Iterator[tuple["os.DirEntry[str]", os.stat_result]]:
    """What lies in a folder, and what it is."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        try:
            yield entry, entry.stat()
        except OSError as error:
            if error.errno not in LEADS_NOWHERE:
                raise
