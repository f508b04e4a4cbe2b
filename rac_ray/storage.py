"""Atomic reads and writes below one root, local, NFS, S3 or GS, through ``pyarrow.fs``.

On a local or network disk a file is written under a temporary name and renamed, so that a reader (or a
killed writer) never leaves half a file under the real name. Object stores publish an object only when its
upload completes, which is the same promise.
"""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import fs

from rac_ray.errors import BadInput

TEMPORARY_MARK = ".tmp-"


@dataclass(frozen=True)
class Storage:
    """A folder on a file system; every path given to its methods is relative to that folder."""

    root: str
    """Absolute local path, or a URI such as ``s3://bucket/folder``."""

    @classmethod
    def at(cls, location: str | os.PathLike[str]) -> "Storage":
        """The storage at a local path (made absolute) or a URI that ``pyarrow.fs`` understands."""
        text = os.fspath(location)
        return cls(text.rstrip("/") if "://" in text else str(Path(text).expanduser().resolve()))

    @property
    def is_local(self) -> bool:
        return "://" not in self.root

    def below(self, *parts: str) -> "Storage":
        """The storage of a sub-folder."""
        return Storage("/".join((self.root, *parts)))

    def _resolve(self, name: str) -> tuple[fs.FileSystem, str]:
        try:
            system, base = fs.FileSystem.from_uri(self.root) if not self.is_local else (fs.LocalFileSystem(), self.root)
        except (ValueError, OSError) as error:
            raise BadInput(f"cannot open storage {self.root!r}: {error}") from error
        return system, f"{base}/{name}" if name else base

    def exists(self, name: str) -> bool:
        system, path = self._resolve(name)
        return system.get_file_info(path).type != fs.FileType.NotFound

    def names(self, folder: str = "") -> list[str]:
        """Sorted names of the files and folders in ``folder``; empty when it does not exist."""
        system, path = self._resolve(folder)
        infos = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return sorted(info.base_name for info in infos if TEMPORARY_MARK not in info.base_name)

    def read_bytes(self, name: str) -> bytes:
        system, path = self._resolve(name)
        with system.open_input_stream(path) as stream:
            return stream.read()

    def read_json(self, name: str) -> Any:
        return json.loads(self.read_bytes(name))

    @contextmanager
    def writing(self, name: str) -> Iterator[str]:
        """Yield a local path to write to; on success its content appears as ``name`` at once, else not at all."""
        system, path = self._resolve(name)
        folder = path.rsplit("/", 1)[0]
        if self.is_local:
            Path(folder).mkdir(parents=True, exist_ok=True)
            temporary = f"{path}{TEMPORARY_MARK}{uuid.uuid4().hex[:8]}"
        else:
            temporary = f"{tempfile.gettempdir()}/rac{TEMPORARY_MARK}{uuid.uuid4().hex}"
        try:
            yield temporary
            if self.is_local:
                _flush_to_disk(temporary)
                Path(temporary).replace(path)
            else:
                system.create_dir(folder, recursive=True)
                fs.copy_files(temporary, path, destination_filesystem=system)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> None:
        with self.writing(name) as path:
            Path(path).write_bytes(content)

    def write_json(self, name: str, value: Any) -> None:
        self.write_bytes(name, json.dumps(value, indent=1, sort_keys=True).encode())

    def delete(self, name: str) -> None:
        """Delete one file; a file that is not there is fine."""
        system, path = self._resolve(name)
        if system.get_file_info(path).type == fs.FileType.File:
            system.delete_file(path)

    def require_room(self, needed_bytes: int) -> None:
        """Raise BadInput unless ``needed_bytes`` are free (local only) and files can be written; leaves nothing."""
        try:
            if self.is_local:
                standing = next(folder for folder in (Path(self.root), *Path(self.root).parents) if folder.exists())
                free = shutil.disk_usage(standing).free
                if free < needed_bytes:
                    raise BadInput(
                        f"storage {self.root!r} has {free / 1e6:.0f} MB free, "
                        f"this sweep needs about {needed_bytes / 1e6:.0f} MB"
                    )
                with tempfile.TemporaryFile(dir=standing) as probe:
                    probe.write(b"yes")
            else:
                self.write_bytes(".writable", b"yes")
                self.delete(".writable")
        except OSError as error:
            raise BadInput(f"storage {self.root!r} cannot be written: {error.strerror or error}") from error


def _flush_to_disk(path: str) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
