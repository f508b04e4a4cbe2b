"""The moving stream of a video file: which one it is, how many frames it is to show, and how they are turned.

Asked once for each file, so that all decoders give frames of the same stream, the same way up.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

PYAV = f"PyAV {av.__version__}"
UNMOVING = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Of streams that hold a cover or pictures of chapters."""
FORMATS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg"}
"""Of files that hold pictures themselves; lists of other files, and stills, are none."""
SKEW = 0.01
"""Share of a matrix's largest number up to which another counts as zero: angles come rounded."""
INDEXED = "mov"
"""In the name of the family of formats (MP4, MOV, M4V) whose index says of each frame whether it is to be shown."""
UNTIMED = "avi"
"""The format whose frames are evenly apart and have no times of their own, only places in the file."""

Frame = NDArray[np.uint8]
"""(H, W, 3), BGR."""


BOX = struct.Struct(">I4s")
"""Size, with this head, and kind of a part of a file of the MP4 family; of size 1 the size follows in eight bytes."""


class Refused(Exception):
    """The file is no whole video; the message says why. ``final``: another decoder would not help."""

    def __init__(self, reason: str, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


@dataclass(frozen=True)
class Turn:
    """How a decoded frame is brought upright: rows and columns exchanged first, then mirrored."""

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    @classmethod
    def of(cls, matrix: NDArray[np.int32]) -> "Turn":
        """By a display matrix (9,): x becomes ``x m0 + y m3``, y becomes ``x m1 + y m4``; of all zeros none.

        Raises Refused for what is no quarter turn.
        """
        a, b, c, d = (float(matrix[place]) for place in (0, 1, 3, 4))
        straight, across = max(abs(a), abs(d)), max(abs(b), abs(c))
        if min(straight, across) > SKEW * max(straight, across):
            raise Refused("is turned by an angle that is no multiple of 90 degrees", final=True)
        return cls(True, c < 0, b < 0) if across > straight else cls(False, a < 0, d < 0)

    def __call__(self, frame: Frame) -> Frame:
        """A frame (H, W, 3) upright: (W, H, 3) where it is transposed."""
        upright = frame.transpose(1, 0, 2) if self.transposed else frame
        return np.ascontiguousarray(upright[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1])


@dataclass(frozen=True)
class MovingStream:
    """The one that is the clip."""

    index: int
    """In the file."""
    first: bool
    """Whether no other stream of pictures stands before it: OpenCV decodes the first one only."""
    frames: int
    """That it is to show; 0 where the file does not say."""
    exact: bool
    """Whether that was counted; a number that follows from a duration may be off by one."""
    timed: bool
    """Whether the file tells when each frame is shown."""
    turn: Turn


@dataclass
class _Span:
    """When the packets of a stream begin and end, in seconds."""

    start: float = float("inf")
    end: float = 0.0


@dataclass
class _Packets:
    """What a file holds of each stream, by its index."""

    spans: dict[int, _Span] = field(default_factory=dict)

    def read(self, container: Any) -> "_Packets":
        """All packets; those behind a damaged place are lacking."""
        try:
            for packet in container.demux():
                if packet.size and packet.pts is not None:
                    span, time = self.spans.setdefault(packet.stream_index, _Span()), packet.pts * packet.time_base
                    span.start = min(span.start, float(time))
                    span.end = max(span.end, float(time + (packet.duration or 0) * packet.time_base))
        except av.error.FFmpegError:
            pass
        return self

    def declared(self, container: Any, stream: Any) -> tuple[int, bool]:
        """How many frames a stream is to show, and whether that was counted."""
        if INDEXED in container.format.name and len(stream.index_entries):
            return sum(not entry.is_discard for entry in stream.index_entries), True
        if stream.frames:
            return stream.frames, True
        span = self.spans.get(stream.index, _Span(0.0))
        return round((self._end(container, stream, span) - span.start) * float(stream.average_rate or 0)), False

    def _end(self, container: Any, stream: Any, span: _Span) -> float:
        """When a stream is to end: as it says itself, else with the file, unless another stream goes on till then."""
        if stream.duration is not None:
            return span.start + float(stream.duration * stream.time_base)
        if (own := _seconds(stream.metadata.get("DURATION", ""))) is not None:
            return own
        whole = (container.duration or 0) / av.time_base
        frame = 1 / float(stream.average_rate or 1)
        return span.end if max((each.end for each in self.spans.values()), default=0.0) > whole - frame else whole


def moving_stream(path: Path) -> MovingStream:
    """The stream with most moving pixels, covers and stills left aside. Raises Refused for a file without one."""
    try:
        with av.open(str(path), options=FORMATS) as container:
            packets = _Packets().read(container)
            found = [
                (stream, *packets.declared(container, stream))
                for stream in container.streams.video
                if not stream.disposition & UNMOVING
            ]
            if not found:
                raise Refused("has no moving pictures", final=True)
            stream, frames, exact = max(found, key=lambda each: (each[1] > 1, each[1] * each[0].width * each[0].height))
            first = stream.index == container.streams.video[0].index
            if INDEXED in container.format.name and _ends_within_a_fragment(path):
                raise Refused("is truncated: it ends within a fragment", final=True)
            timed = container.format.name != UNTIMED
            return MovingStream(stream.index, first, frames, exact, timed, _turn(path, stream.index))
    except av.error.FFmpegError as error:
        raise Refused(f"cannot be opened by {PYAV}", final=True) from error


def _turn(path: Path, index: int) -> Turn:
    """By the display matrix of the first frame, which has the file's or the codec's own; none of a damaged one."""
    try:
        with av.open(str(path)) as container:
            frame: Any = next(container.decode(container.streams[index]))
            matrix = frame.side_data.get("DISPLAYMATRIX")
            return Turn() if matrix is None else Turn.of(np.frombuffer(bytes(matrix), np.int32))
    except (av.error.FFmpegError, StopIteration):
        return Turn()


def _ends_within_a_fragment(path: Path) -> bool:
    """Whether a file of fragments, each of which counts its own frames only, is cut off in one of them."""
    size, place, kinds = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while place + BOX.size <= size:
            file.seek(place)
            length, kind = BOX.unpack(file.read(BOX.size))
            kinds.add(kind)
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            if length < BOX.size:  # up to the file's end
                return False
            place += length
    return b"moof" in kinds and place != size


def _seconds(clock: str) -> float | None:
    """Those of ``00:00:02.400000000``, as Matroska's files say how long a track is; None of anything else."""
    try:
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None
