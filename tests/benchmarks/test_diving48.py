import time
from pathlib import Path

import numpy as np

from benchmarks.diving48 import DIFFERENT, Peak, decoding, make_videos, rendering


def test_decoding_is_measured_on_real_videos(tmp_path: Path) -> None:
    clips = make_videos(tmp_path, DIFFERENT + 2)
    assert (tmp_path / "rgb/video_00011.mp4").samefile(tmp_path / "rgb/video_00001.mp4")
    rate, size, peak = decoding(tmp_path, clips[:2])
    assert 0 < rate < 1000
    assert 32 * 1_000 < size < 32 * 100_000
    assert peak > 50


def test_the_peak_stays_when_memory_is_freed() -> None:
    with Peak() as small:
        time.sleep(0.1)
    with Peak() as large:
        block = np.ones(200_000_000, np.uint8)
        time.sleep(0.1)
        del block
    assert large.megabytes > small.megabytes + 150


def test_every_domain_is_rendered() -> None:
    rates = rendering()
    assert list(rates) == ["original", "control", "s1", "s2", "t"]
    assert min(rates.values()) > 0.05
