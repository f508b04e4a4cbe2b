"""Atomic reads and writes below one root, local, NFS, S3 or GS, through ``pyarrow.fs``.

On a local or network disk a file is written under a temporary name and renamed, so that a reader (or a
killed writer) never leaves half a file under the real name. Object stores publish an object only when its
upload completes, which is the same promise. What an object store fails to do for a while is tried again for up to
two minutes; see ``object_store``, also for endpoints.
"""

import errno
import json
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from rac_ray.errors import BadInput
from rac_ray.store.local import absolute, walked
from rac_ray.store.object_store import OBJECT_STORES, RETRY_SECONDS, Result, opened, persistent, refusal, split_root

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of an OSError that mean a disk or a quota without room."""
NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.EINVAL}
"""Numbers of an OSError with which file systems refuse hard links."""
Created = Literal["exclusive", "shared", "exists"]
TEMPORARY_MARK = ".tmp-"
FILES_AT_ONCE = 16
"""Files read or written at once: an object store answers one request in tens of milliseconds."""
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises for a file that is no JSON, too deep, or of another kind."""
LOST_SLASH = re.compile(r"(s3|gs|gcs|hdfs|abfss?):(?!//)")
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Storage:
    """A folder on a file system; every path given to its methods is relative to that folder."""

    root: str
    """Absolute local path, or a URI such as ``s3://bucket/folder``, with its options as a query."""
    retry_seconds: float = field(default=RETRY_SECONDS, compare=False)
    """How long what may pass is tried again."""

    @classmethod
    def at(cls, location: str | os.PathLike[str]) -> "Storage":
        """The storage at a local path (made absolute) or a URI that ``pyarrow.fs`` understands.

        Raises BadInput for what cannot be the name of a folder, and for an address that has lost a slash, which would
        be a local folder.
        """
        text = os.fspath(location)
        if lost := LOST_SLASH.match(text):
            raise BadInput(f"storage {text!r} is neither a path nor an address; valid: as in {lost[1]}://bucket/folder")
        return cls("".join(split_root(text)) if "://" in text else absolute(text))

    @property
    def is_local(self) -> bool:
        return "://" not in self.root

    def address(self, *parts: str) -> str:
        """The address of a file or folder: a path, or a URI with the options of this one."""
        place, query = (self.root, "") if self.is_local else split_root(self.root)
        return "/".join((place, *parts)) + query

    def below(self, *parts: str) -> "Storage":
        """The storage of a sub-folder."""
        return Storage(self.address(*parts), self.retry_seconds)

    @property
    def above(self) -> "Storage":
        """The storage of the folder that holds this one."""
        place, query = (self.root, "") if self.is_local else split_root(self.root)
        return Storage(place.rpartition("/")[0] + query, self.retry_seconds)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return split_root(self.root)[0].rpartition("/")[2]

    def resolve(self, name: str = "") -> tuple[fs.FileSystem, str]:
        """The file system and the path in it. Raises BadInput for a root that is no storage."""
        system, base = (fs.LocalFileSystem(), self.root) if self.is_local else opened(self.root)
        return system, f"{base}/{name}" if name else base

    def _ask(self, act: Callable[[], Result]) -> Result:
        """``act``, again for as long as it may pass; raises BadInput when access is refused."""
        try:
            return persistent(act, self.retry_seconds)
        except OSError as error:
            raise refusal(self.root, error) or error from error

    def exists(self, name: str) -> bool:
        system, path = self.resolve(name)
        return self._ask(lambda: system.get_file_info(path)).type != fs.FileType.NotFound

    def is_folder(self, name: str) -> bool:
        system, path = self.resolve(name)
        return self._ask(lambda: system.get_file_info(path)).type == fs.FileType.Directory

    def names(self, folder: str = "") -> list[str]:
        """Sorted names of the files and folders in ``folder``; empty when it does not exist."""
        system, path = self.resolve(folder)
        infos = self._ask(lambda: system.get_file_info(fs.FileSelector(path, allow_not_found=True)))
        return sorted(info.base_name for info in infos if TEMPORARY_MARK not in info.base_name)

    def sizes(self, folder: str = "", *, temporary: bool = False) -> dict[str, int]:
        """Bytes of every file below ``folder`` by its path relative to it, in one listing.

        Files under temporary names are left out, or, with ``temporary``, are the only ones.
        """
        return {name: size for name, (size, _) in self.stamps(folder).items() if _temporary(name) == temporary}

    def stamps(self, folder: str = "") -> dict[str, tuple[int, int]]:
        """Bytes, and time of the last change in nanoseconds since 1970, of every file below ``folder`` by its path
        relative to it; none when it does not exist. Links are followed, each folder is looked at once."""
        if self.is_local:
            return {name: (found.st_size, found.st_mtime_ns) for name, found in walked(Path(self.root, folder))}
        system, path = self.resolve(folder)
        infos = self._ask(lambda: system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True)))
        files = (info for info in infos if info.type == fs.FileType.File)
        return {info.path[len(path.rstrip("/")) + 1 :]: (info.size, info.mtime_ns) for info in files}

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """The content of many files, read side by side; files that have gone meanwhile are left out."""
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            read = pool.map(lambda name: (name, self.read_if_there(name)), names)
            return {name: content for name, content in read if content is not None}

    def read_if_there(self, name: str) -> bytes | None:
        """The content of one file, or None without it, and where a folder has its name."""
        try:
            return self.read_bytes(name)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def read_bytes(self, name: str) -> bytes:
        """The content of one file. Raises OSError without it, IsADirectoryError for a folder of its name."""
        system, path = self.resolve(name)

        def read() -> bytes:
            with system.open_input_stream(path) as stream:
                return stream.read()

        try:
            return self._ask(read)
        except OSError as error:
            if error.errno is None and self.is_folder(name):
                raise IsADirectoryError(errno.EISDIR, "a folder is where a file should be", path) from error
            raise

    def read_tail(self, name: str, most: int) -> bytes:
        """The last bytes of a file, ``most`` of them at most."""
        system, path = self.resolve(name)

        def read() -> bytes:
            with system.open_input_file(path) as stream:
                stream.seek(max(0, stream.size() - most))
                return stream.read()

        return self._ask(read)

    def read_columns(self, name: str, columns: list[str]) -> pa.Table:
        """Some columns of a Parquet file; no byte of the others is fetched."""
        return self.read_parquet(name, lambda file: file.read(columns))

    def read_parquet(self, name: str, act: Callable[[pq.ParquetFile], Result]) -> Result:
        """What ``act`` reads of a Parquet file, pages being checked where they have checksums; again for as long as an
        object store's silence may pass."""
        system, path = self.resolve(name)

        def read() -> Result:
            with system.open_input_file(path) as stream:
                return act(pq.ParquetFile(stream, pre_buffer=True, page_checksum_verification=True))

        return self._ask(read)

    def read_json(self, name: str) -> Any:
        return json.loads(self.read_bytes(name))

    def read_as(self, name: str, kind: type[Kind]) -> Kind | None:
        """A JSON file as a dataclass or another type that msgspec knows; None without one, and for anything else."""
        content = self.read_if_there(name)
        try:
            return None if content is None else msgspec.json.decode(content, type=kind)
        except UNREADABLE:
            return None

    @contextmanager
    def writing(self, name: str) -> Iterator[str]:
        """Yield a local path to write to; on success its content appears as ``name`` at once, else not at all."""
        system, path = self.resolve(name)
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
                content = Path(temporary).read_bytes()
                self._ask(lambda: _upload(system, path, content))
        finally:
            Path(temporary).unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> None:
        with self.writing(name) as path:
            Path(path).write_bytes(content)

    def write_json(self, name: str, value: Any) -> None:
        self.write_bytes(name, json.dumps(value, indent=1, sort_keys=True).encode())

    def create_json(self, name: str, value: Any) -> Created:
        """Write a file that must not exist yet.

        ``exclusive`` where nobody else can have written it at the same time, as on disks that have hard links. Object
        stores and many mounts (FUSE, FAT) have none: what was written there is ``shared`` with whoever wrote at once.
        """
        scratch = f"{name}{TEMPORARY_MARK}{uuid.uuid4().hex[:8]}"
        if self.is_local:
            self.write_json(scratch, value)
            try:
                Path(self.root, name).hardlink_to(Path(self.root, scratch))
                return "exclusive"
            except FileExistsError:
                return "exists"
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
            finally:
                self.delete(scratch)
        if self.exists(name):
            return "exists"
        self.write_json(name, value)
        return "shared"

    def delete(self, name: str) -> None:
        """Delete one file; a file that is not there is fine."""
        system, path = self.resolve(name)

        def delete() -> None:
            if system.get_file_info(path).type == fs.FileType.File:
                system.delete_file(path)

        with suppress(FileNotFoundError):  # somebody else was quicker
            self._ask(delete)

    def require_folder(self) -> None:
        """Raise BadInput where a file stands in the place of this local folder, or of one above it."""
        if self.is_local and not (standing := self._standing()).is_dir():
            raise BadInput(
                f"storage {self.root!r} leads through {str(standing)!r}, a file; valid: a folder, also a new one"
            )

    def _standing(self) -> Path:
        """The folder itself, or the nearest one above it that exists."""
        return next(folder for folder in (Path(self.root), *Path(self.root).parents) if folder.exists())

    def free_bytes(self) -> int | None:
        """Room left on a local disk; None where nobody can tell (object stores)."""
        return shutil.disk_usage(self._standing()).free if self.is_local else None

    def require_room(self, needed_bytes: int) -> None:
        """Raise BadInput unless ``needed_bytes`` are free (local only) and files can be written; leaves nothing."""
        try:
            if self.is_local:
                free = shutil.disk_usage(self._standing()).free
                if free < needed_bytes:
                    raise BadInput(
                        f"storage {self.root!r} has {free / 1e6:.0f} MB free, "
                        f"this sweep needs about {needed_bytes / 1e6:.0f} MB"
                    )
                with tempfile.TemporaryFile(dir=self._standing()) as probe:
                    probe.write(b"yes")
            else:
                self.write_bytes(".writable", b"yes")
                self.delete(".writable")
        except OSError as error:
            raise BadInput(f"storage {self.root!r} cannot be written: {error.strerror or error}") from error


def _temporary(name: str) -> bool:
    return TEMPORARY_MARK in name.rpartition("/")[2]


def _upload(system: fs.FileSystem, path: str, content: bytes) -> None:
    """Write an object whole; ``fs.copy_files`` would lose the error of a failed last request. Where there are folders,
    what is written appears as it is written, and gets its name at the end."""
    with_folders = system.type_name not in OBJECT_STORES
    place = f"{path}{TEMPORARY_MARK}{uuid.uuid4().hex[:8]}" if with_folders else path
    if with_folders:
        system.create_dir(path.rsplit("/", 1)[0], recursive=True)
    with system.open_output_stream(place) as stream:
        stream.write(content)
    if with_folders:
        system.move(place, path)


def _flush_to_disk(path: str) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
