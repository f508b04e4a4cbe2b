"""A FUSE file system that shows a folder and has no hard links, as many FUSE mounts have none: a program.

``python -m tests.linkless SHOWN MOUNTED`` mounts it, says so in a line, and serves it until it is killed. It speaks the
kernel's protocol, of version 7.31 (linux/fuse.h), as far as rac_ray and Python ask for it.
"""

import ctypes
import errno
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
DETACH = 2
HEADER = struct.Struct("<IIQQIIIHH")
"""Length, operation, number of the request, node, user, group, process, two of no use here."""
LARGEST = 1 << 20
NO_REPLY = (2, 42)
"""Operations that say what the kernel has forgotten."""
LINK = 13


def mount(folder: Path) -> int:
    """Mount at a folder; returns the descriptor on which the kernel asks. Raises OSError where it is not allowed."""
    asked = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={asked},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    if LIBC.mount(b"linkless", os.fsencode(folder), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "FUSE cannot be mounted here")
    return asked


def unmount(folder: Path) -> None:
    LIBC.umount2(os.fsencode(folder), DETACH)


class Shown:
    """The folder behind the mount: answers to what the kernel asks, by the number of the operation."""

    def __init__(self, folder: Path) -> None:
        self.paths = {1: folder}
        self.nodes = {folder: 1}
        self.answers: dict[int, Callable[[int, bytes], bytes]] = {
            1: lambda node, said: self.entry(self.child(node, said)),
            3: lambda node, _: self.attributes(self.paths[node]),
            4: self.change,
            9: lambda node, said: self.made(self.child(node, said[8:]), Path.mkdir),
            10: lambda node, said: self.done(self.child(node, said).unlink),
            11: lambda node, said: self.done(self.child(node, said).rmdir),
            12: lambda node, said: self.move(node, struct.unpack_from("<Q", said)[0], said[8:]),
            14: lambda node, said: self.opened(self.paths[node], struct.unpack_from("<I", said)[0]),
            15: self.read,
            16: self.write,
            17: lambda *_: self.room(),
            18: lambda _, said: self.done(lambda: os.close(struct.unpack_from("<Q", said)[0])),
            20: lambda _, said: self.done(lambda: os.fsync(struct.unpack_from("<Q", said)[0])),
            25: lambda *_: b"",
            26: self.begin,
            27: lambda *_: struct.pack("<QII", 0, 0, 0),
            28: self.listing,
            29: lambda *_: b"",
            35: self.create,
            45: lambda node, said: self.move(node, struct.unpack_from("<Q", said)[0], said[16:]),
        }

    def child(self, node: int, name: bytes) -> Path:
        return self.paths[node] / os.fsdecode(name.partition(b"\0")[0])

    def done(self, act: Callable[[], object]) -> bytes:
        act()
        return b""

    def begin(self, _node: int, said: bytes) -> bytes:
        _, minor, ahead, flags = struct.unpack_from("<IIII", said)
        return struct.pack("<IIIIHHIIHHI28x", 7, min(minor, 31), ahead, flags & 1 << 5, 16, 12, LARGEST, 1, 0, 0, 0)

    def plain(self, path: Path) -> bytes:
        found = path.lstat()
        times = (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
        whole, rest = (int(t // 10**9) for t in times), (int(t % 10**9) for t in times)
        places = (found.st_ino, found.st_size, found.st_blocks, *whole, *rest)
        return struct.pack("<QQQQQQIIIIIIIIII", *places, found.st_mode, 1, found.st_uid, found.st_gid, 0, 4096, 0)

    def attributes(self, path: Path) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self.plain(path)

    def entry(self, path: Path) -> bytes:
        shown = self.plain(path)
        node = self.nodes.setdefault(path, len(self.paths) + 1)
        self.paths[node] = path
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + shown

    def made(self, path: Path, make: Callable[[Path], object]) -> bytes:
        make(path)
        return self.entry(path)

    def change(self, node: int, said: bytes) -> bytes:
        if struct.unpack_from("<I", said)[0] & 1 << 3:
            os.truncate(self.paths[node], struct.unpack_from("<Q", said, 16)[0])
        return self.attributes(self.paths[node])

    def move(self, node: int, to: int, said: bytes) -> bytes:
        old, new, _ = said.split(b"\0", 2)
        before, after = self.child(node, old), self.child(to, new)
        before.rename(after)
        for path, known in list(self.nodes.items()):
            if path.is_relative_to(before):
                del self.nodes[path]
                self.paths[known] = after / path.relative_to(before)
                self.nodes[self.paths[known]] = known
        return b""

    def opened(self, path: Path, flags: int) -> bytes:
        return struct.pack("<QII", os.open(path, flags & ~(os.O_CREAT | os.O_EXCL)), 1, 0)

    def create(self, node: int, said: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", said)
        path = self.child(node, said[16:])
        number = os.open(path, flags | os.O_CREAT, mode & 0o7777)
        return self.entry(path) + struct.pack("<QII", number, 1, 0)

    def read(self, _node: int, said: bytes) -> bytes:
        number, place, size = struct.unpack_from("<QQI", said)
        return os.pread(number, size, place)

    def write(self, _node: int, said: bytes) -> bytes:
        number, place, size = struct.unpack_from("<QQI", said)
        return struct.pack("<II", os.pwrite(number, said[40 : 40 + size], place), 0)

    def room(self) -> bytes:
        free = shutil.disk_usage(self.paths[1]).free // 4096
        return struct.pack("<QQQQQIII28x", free, free, free, 10**6, 10**6, 4096, 255, 4096)

    def listing(self, node: int, said: bytes) -> bytes:
        _, place, room = struct.unpack_from("<QQI", said)
        answer = b""
        for number, each in list(enumerate(sorted(self.paths[node].iterdir()), 1))[place:]:
            name = os.fsencode(each.name)
            row = struct.pack("<QQII", number, number, len(name), each.lstat().st_mode >> 12) + name
            row += bytes(-len(row) % 8)
            if len(answer) + len(row) > room:
                break
            answer += row
        return answer


def requests(asked: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Operation, number, node and what is said of each request, until the mount is gone."""
    while True:
        try:
            said = os.read(asked, LARGEST + 65_536)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            if error.errno in (errno.ENOENT, errno.EINTR):
                continue
            raise
        _, operation, number, node, *_ = HEADER.unpack_from(said)
        yield operation, number, node, said[HEADER.size :]


def serve(asked: int, shown: Shown) -> None:
    for operation, number, node, said in requests(asked):
        if operation in NO_REPLY:
            continue
        answer, wrong = b"", 0
        try:
            if operation in shown.answers:
                answer = shown.answers[operation](node, said)
            else:
                wrong = errno.EPERM if operation == LINK else errno.ENOSYS
        except OSError as error:
            wrong = error.errno or errno.EIO
        os.write(asked, struct.pack("<IiQ", 16 + len(answer), -wrong, number) + answer)


if __name__ == "__main__":
    behind, at = map(Path, sys.argv[1:])
    kernel = mount(at)
    print("mounted", flush=True)
    serve(kernel, Shown(behind))
