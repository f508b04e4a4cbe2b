"""One holder per folder: a small file that says who, renewed while the holder lives, on any storage.

Whether a holder still lives is never a matter of wall clocks. On its own machine its process is looked up; from
another machine its count of beats is watched. Taking over replaces the file; a holder that finds another's token in
it, or a request to cancel, has a reason to stop.
"""

import getpass
import os
import platform
import shlex
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec

from rac_ray.errors import BadInput
from rac_ray.store.object_store import SILENT_SECONDS
from rac_ray.store.storage import Storage

BEAT_SECONDS = 5.0
PATIENCE_BEATS = 3
"""A holder on another machine that adds no beat in this many is taken for dead."""
SETTLE_SECONDS = 0.3
"""After replacing a dead holder's file: two who do so at once both look again, and one goes."""
STORE_SETTLE_SECONDS = 2.0
"""The same on an object store, where creating a file is not exclusive either, as on a disk without hard links. A holder
whose own write took longer than half of it waits until one that it may have replaced has seen so."""
FAILED_BEAT_SECONDS = 1.0
"""Pause after a beat that the storage did not take."""
SLOW_LOOK_SECONDS = 2.0
"""A look that takes longer met a storage that did not answer, and proves nothing about the holder."""
CANCEL = "cancel.json"
MOST_PID = 2**31 - 1


class Busy(BadInput):
    """Somebody else holds the folder; the sentence says who, since when, and what to do."""


@dataclass(frozen=True)
class Holder:
    """Who holds a folder."""

    token: str
    machine: str
    """Host name, boot id and namespace of process ids: processes can be looked up only from the same. Containers of one
    host may have one name."""
    pid: Annotated[int, msgspec.Meta(ge=0, le=MOST_PID)]
    process_started: str | None
    """The kernel's start time of the process, which tells it from a later one with the same pid."""
    user: str
    since: str
    command: str
    beats: int = 0

    @property
    def sentence(self) -> str:
        host = self.machine.partition("/")[0]
        return f"{self.user} on {host} (process {self.pid}, since {self.since}: {self.command})"


def current_holder(folder: Storage, name: str) -> Holder | None:
    """The holder that the file names, living or dead; None without a file or with one that is not whole."""
    return folder.read_as(name, Holder)


def living_holder(folder: Storage, name: str, watch: bool = True) -> Holder | None:
    """The holder if it lives. One on another machine is watched for a while, or without ``watch`` believed.

    That is 15 seconds, 35 on an object store, of a storage that answers: while it does not, nobody can beat.
    """
    holder = current_holder(folder, name)
    if holder is None or holder.machine == _machine():
        return holder if holder and _process_started(holder.pid) == holder.process_started is not None else None
    if not watch:
        return holder
    patience = PATIENCE_BEATS * BEAT_SECONDS + (0 if folder.is_local else SILENT_SECONDS)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        time.sleep(0.5)
        asked = time.monotonic()
        now = current_holder(folder, name)
        if now is None or now != holder:
            return now
        if time.monotonic() - asked > SLOW_LOOK_SECONDS:
            until = time.monotonic() + patience
    return None


def request_cancel(folder: Storage, holder: Holder) -> None:
    """Ask a holder, wherever it runs, to stop at its next beat."""
    folder.write_json(CANCEL, {"token": holder.token, "by": f"{_user()} on {platform.node()}"})


class Lock:
    """A held folder; ``stop_reason`` becomes a sentence when its holder should stop."""

    def __init__(self, folder: Storage, name: str) -> None:
        self.folder = folder
        self.name = name
        self.stop_reason = ""
        self.holder = Holder(
            token=uuid.uuid4().hex,
            machine=_machine(),
            pid=os.getpid(),
            process_started=_process_started(os.getpid()),
            user=_user(),
            since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            command=shlex.join(Path(word).name if "/" in word else word for word in sys.argv[:6]),
        )
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"{name} heartbeat", daemon=True)

    def acquire(self, take_over: bool = False) -> None:
        """Take the folder; raises Busy when somebody else lives in it, or was quicker."""
        living = living_holder(self.folder, self.name)
        if living and not take_over:
            raise _busy(self.folder, living)
        asked = time.monotonic()
        created = self.folder.create_json(self.name, asdict(self.holder))
        if created == "exists":
            self._replace(living if take_over else None)
        elif created == "shared":
            self._settle(asked, STORE_SETTLE_SECONDS)
        holder = current_holder(self.folder, self.name)
        if holder is None or holder.token != self.holder.token:
            raise _busy(self.folder, holder)
        self.folder.delete(CANCEL)
        self._thread.start()

    def _replace(self, living: Holder | None) -> None:
        """Put this holder in a dead one's place, or in that of the living one to be taken over."""
        there = current_holder(self.folder, self.name)
        if there and there != living and (quicker := living_holder(self.folder, self.name)):
            raise _busy(self.folder, quicker)
        asked = time.monotonic()
        self.folder.write_json(self.name, asdict(self.holder))
        self._settle(asked, SETTLE_SECONDS if self.folder.is_local else STORE_SETTLE_SECONDS)

    def _settle(self, asked: float, settle: float) -> None:
        """Wait until whoever wrote at the same time has written, too: the last one to write holds."""
        slow = settle == STORE_SETTLE_SECONDS and time.monotonic() - asked > settle / 2
        time.sleep(PATIENCE_BEATS * BEAT_SECONDS if slow else settle)

    def release(self) -> None:
        """Give the folder back, unless it is another's by now."""
        self._released.set()
        self._thread.join()
        holder = current_holder(self.folder, self.name)
        if holder and holder.token == self.holder.token:
            self.folder.delete(self.name)

    def _beat(self) -> None:
        pause = BEAT_SECONDS
        while not self._released.wait(pause) and not self.stop_reason:
            pause = BEAT_SECONDS
            try:
                self.stop_reason = self._look(replace(self.folder, retry_seconds=0.0))
            except (OSError, BadInput):  # a storage that does not answer for a while takes no lock away
                pause = min(BEAT_SECONDS, FAILED_BEAT_SECONDS)

    def _look(self, folder: Storage) -> str:
        """One beat: why to stop, or nothing.

        ``folder`` tries nothing again: a beat that is written late could replace the file of one who took over.
        """
        holder = current_holder(folder, self.name)
        if holder is None:
            return f"{self.folder.address(self.name)} was deleted"
        if holder.token != self.holder.token:
            return f"{holder.sentence} took over"
        request = folder.read_as(CANCEL, dict[str, str]) or {}
        if request.get("token") == self.holder.token:
            folder.delete(CANCEL)
            return f"cancelled by {request.get('by', 'somebody')}"
        folder.write_json(self.name, asdict(replace(holder, beats=holder.beats + 1)))
        return ""


@contextmanager
def holding(folder: Storage, name: str, take_over: bool = False) -> Iterator[Lock]:
    """Hold ``folder`` for the duration. Raises Busy."""
    lock = Lock(folder, name)
    lock.acquire(take_over)
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def waiting_for(folder: Storage, name: str, say: Callable[[str], None]) -> Iterator[Lock]:
    """Hold ``folder`` for the duration, waiting as long as somebody else lives in it."""
    lock, told = Lock(folder, name), False
    while True:
        try:
            lock.acquire()
            break
        except Busy as busy:
            if not told:
                say(f"waiting: {busy}")
            told = True
            time.sleep(1)
    try:
        yield lock
    finally:
        lock.release()


def _busy(folder: Storage, holder: Holder | None) -> Busy:
    who = holder.sentence if holder else "another driver"
    return Busy(f"{folder.root} is held by {who}; wait, `cancel` it, or take it over with --take-over")


def _machine() -> str:
    boot, processes = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    ids = [boot.read_text().strip() if boot.exists() else str(uuid.getnode())]
    ids += [str(processes.readlink())] if processes.is_symlink() else []
    return "/".join([platform.node(), *ids])


def _user() -> str:
    """The user's name, or number where there is none, as in containers that run as anybody."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _process_started(pid: int) -> str | None:
    """Start time of a living process in the kernel's ticks since boot; None when there is none (or a zombie)."""
    if not Path("/proc/self/stat").exists():
        return _answers(pid)
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else rest[18]


def _answers(pid: int) -> str | None:
    """For systems without /proc: whether a process of that pid can be signalled."""
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return "alive"
