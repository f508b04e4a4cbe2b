"""The decoder's process: answers, hangs that are ended, crashes that are told."""

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from rac_ray.data.decoder import Decoded, Decoder, Rejected
from rac_ray.errors import BadInput
from tests.data.videos import SIZE, write_video


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "rac_ray.data.decoding" in " ".join(each.cmdline())]


def test_one_process_decodes_many_videos(tmp_path: Path) -> None:
    paths = [write_video(tmp_path / f"{number}.mp4", 20 + number) for number in range(3)]
    with Decoder(frames=4) as decoder:
        found = [decoder.decode(path) for path in paths]
        (process,) = children()
        assert decoder.decode(tmp_path / "none.mp4") == Rejected("is missing")
        assert children() == [process]
    assert children() == []
    assert all(isinstance(each, Decoded) for each in found)
    first = found[0]
    assert isinstance(first, Decoded)
    assert (len(first.jpegs), first.height, first.width, first.frames_in_video) == (4, *SIZE, 20)
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in first.jpegs)


def test_a_file_that_makes_it_hang_is_given_up(tmp_path: Path) -> None:
    """A stopped process stands for one that hangs; the next file is decoded by a new one."""
    path = write_video(tmp_path / "a.mp4", 10)
    with Decoder(frames=2, seconds=20) as decoder:
        decoder.decode(path)
        (process,) = children()
        process.suspend()
        decoder.seconds = 0.5
        began = time.monotonic()
        assert decoder.decode(path) == Rejected("takes longer than 0.5 s to decode")
        assert time.monotonic() - began < 5
        assert not process.is_running()
        decoder.seconds = 20
        assert isinstance(decoder.decode(path), Decoded)


def test_a_file_that_makes_it_crash_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 10)
    with Decoder(frames=2, seconds=20) as decoder:
        decoder.decode(path)
        (process,) = children()
        process.suspend()
        threading.Timer(0.3, lambda: os.kill(process.pid, signal.SIGSEGV) or process.resume()).start()
        assert decoder.decode(path) == Rejected("makes the decoder end with code -11")
        assert isinstance(decoder.decode(path), Decoded)


@pytest.mark.parametrize("quality", [30, 95])
def test_the_quality_of_stored_frames(quality: int, tmp_path: Path) -> None:
    with Decoder(frames=2, quality=quality) as decoder:
        found = decoder.decode(write_video(tmp_path / "a.mp4", 10))
    assert isinstance(found, Decoded)
    assert (len(found.jpegs[0]) > 5000) == (quality == 95)


@pytest.mark.parametrize("name", ["random.py", "av.py", "cv2.py"])
def test_the_working_directory_is_none_of_the_decoders(name: str, tmp_path: Path, monkeypatch) -> None:
    path = write_video(tmp_path / "a.mp4", 10)
    (tmp_path / name).write_text("raise ImportError('none of its own')\n")
    monkeypatch.chdir(tmp_path)
    with Decoder(frames=2) as decoder:
        assert isinstance(decoder.decode(path), Decoded)


def test_what_keeps_it_from_starting_is_not_laid_on_a_video(tmp_path: Path, monkeypatch) -> None:
    """A broken installation: the same libraries load in this process, and not in its child."""
    path = write_video(tmp_path / "a.mp4", 10)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    sentence = (
        r"decoder of videos cannot start here \(code 1\): ImportError: libGL\.so\.1: cannot open shared object file$"
    )
    with Decoder(frames=2) as decoder:
        with pytest.raises(BadInput, match=sentence):
            decoder.decode(path)
        monkeypatch.delenv("PYTHONPATH")
        assert isinstance(decoder.decode(path), Decoded)
    (broken / "cv2.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    with Decoder(frames=2) as decoder, pytest.raises(BadInput, match=r"\(code -9\): it says nothing$"):
        decoder.decode(path)


def test_the_child_is_of_the_same_package(tmp_path: Path, monkeypatch) -> None:
    """Another copy of the package, installed or in the working directory, does not count."""
    (tmp_path / "rac_ray").mkdir()
    (tmp_path / "rac_ray/__init__.py").write_text("raise ImportError('of another version')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Decoder(frames=2) as decoder:
        assert isinstance(decoder.decode(write_video(tmp_path / "a.mp4", 10)), Decoded)
