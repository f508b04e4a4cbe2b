"""A decoder in a process of its own, killed when a file makes it hang, started again when one makes it crash."""

import hashlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rac_ray.data.shards import VIDEO_HASH, Rows
from rac_ray.errors import BadInput

Frames = NDArray[np.uint8]
"""Frames of a video, (T, H, W, 3), RGB."""

JPEG_QUALITY = 95
"""Of stored frames: the videos are compressed already, and this adds little to it."""
SECONDS = 60.0
"""Time that one video may take."""
STARTING_SECONDS = 120.0
"""Time that the child may take to load what it needs; a network disk may be slow."""
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); import rac_ray; del sys.path[0]; "
    "from rac_ray.data.decoding import main; main(int(sys.argv[2]))"
)
"""The child's program: this very package from its own folder, all else from where Python looks, the working directory
left aside (``-P``): a ``random.py`` there is none of ours."""
PACKAGE_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Decoded:
    """Evenly spaced frames of a whole video."""

    jpegs: tuple[bytes, ...]
    height: int
    """Of the video, in pixels."""
    width: int
    frames_in_video: int
    fps: float
    decoder: str
    """Name and version."""


@dataclass(frozen=True)
class Rejected:
    """A file that is no whole video."""

    reason: str
    """Reads on from its name, as in ``is empty``."""


class Decoder:
    """Decodes one video at a time in a child process: ``with Decoder(frames) as decoder: decoder.decode(path)``.

    What goes wrong before the child is ready is no fault of a video.
    """

    def __init__(self, frames: int, quality: int = JPEG_QUALITY, seconds: float = SECONDS) -> None:
        self.frames = frames
        self.quality = quality
        self.seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child process."""
        if self._connection is not None:
            self._connection.close()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._child = self._connection = None

    def decode(self, path: Path) -> Decoded | Rejected:
        """The frames of a video, or why there are none. Raises BadInput where the child cannot start."""
        connection = self._started()
        request = {"path": str(path), "count": self.frames, "quality": self.quality}
        deadline = time.monotonic() + self.seconds
        try:
            connection.send_bytes(json.dumps(request).encode())
            answer = json.loads(self._received(connection, deadline))
            if "reason" in answer:
                return Rejected(answer["reason"])
            jpegs = tuple(self._received(connection, deadline) for _ in range(self.frames))
        except TimeoutError:
            self.close()
            return Rejected(f"takes longer than {self.seconds:g} s to decode")
        except (EOFError, OSError):
            return Rejected(f"makes the decoder end with code {self._ended()}")
        return Decoded(jpegs, **answer)

    def _received(self, connection: Connection, deadline: float) -> bytes:
        if not connection.poll(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        return connection.recv_bytes()

    def _started(self) -> Connection:
        if self._connection is None:
            ours, theirs = socket.socketpair()
            end = str(theirs.fileno())
            with tempfile.TemporaryFile() as said:
                self._child = subprocess.Popen(
                    [sys.executable, "-P", "-c", START, str(PACKAGE_ROOT), end],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stderr=said,
                )
                theirs.close()
                self._connection = Connection(ours.detach())
                self._require_ready(self._connection, said)
        return self._connection

    def _require_ready(self, connection: Connection, said: IO[bytes]) -> None:
        try:
            self._received(connection, time.monotonic() + STARTING_SECONDS)
        except TimeoutError as error:
            self.close()
            raise BadInput(f"the decoder of videos was not ready within {STARTING_SECONDS:g} s") from error
        except (EOFError, OSError) as error:
            code = self._ended()
            said.seek(0)
            last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise BadInput(
                f"the decoder of videos cannot start here (code {code}): {last or 'it says nothing'}"
            ) from error

    def _ended(self) -> int | None:
        """The exit code of a child that has gone (minus the signal that killed it)."""
        code = self._child.wait() if self._child else None
        self.close()
        return code


def decoded_frame(jpeg: bytes) -> Frames:
    """A stored frame as pixels (H, W, 3)."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def decoded_frames(jpegs: Sequence[bytes]) -> Frames:
    """Stored frames as pixels (T, H, W, 3)."""
    return np.stack([decoded_frame(jpeg) for jpeg in jpegs])


_DECODED = (
    ("height", pa.int32()),
    ("width", pa.int32()),
    ("frames_in_video", pa.int32()),
    ("fps", pa.float32()),
    ("decoder", pa.string()),
)
"""Columns that are fields of ``Decoded``."""
VIDEO_COLUMNS = ((VIDEO_HASH, pa.string()), *_DECODED)
"""Columns of a shard that say of what a clip was decoded; ``height`` and ``width`` are the video's, in pixels."""


def decoded_rows(decoder: Decoder, videos: Iterable[tuple[str, Path, Callable[[Decoded], dict[str, Any]]]]) -> Rows:
    """The rows of a shard from (name, file, rest of the row) of each video; what is no whole video is left out."""
    rows, left_out, tried = [], {}, {}
    with decoder:
        for name, path, row_of in videos:
            there = stamp_of(path)
            found = decoder.decode(path)
            if isinstance(found, Rejected):
                left_out[name], tried[name] = found.reason, there
                continue
            facts = {column: getattr(found, column) for column, _ in _DECODED}
            rows.append({**row_of(found), **facts, VIDEO_HASH: hashlib.sha256(path.read_bytes()).hexdigest()})
    return Rows(rows, left_out, tried)


def stamp_of(path: Path) -> str:
    """Size and time of a file; empty without it."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns}"
