from pathlib import Path

import numpy as np
import pytest

from benchmarks import measure
from benchmarks.measure import TEST, TRAIN, Enough, Meter, Task, measure_ours, peak_bytes

TASK = Task("ours", "timesformer1", 2, batch_size=4, seconds=10, device="cpu", threads=1, folder="")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the time is, to be changed."""
    now = [0.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    return now


def test_the_first_batch_is_not_counted(clock: list[float]) -> None:
    meter = Meter(TASK)
    clock[0] = 100
    meter.count(4)
    clock[0] = 106
    meter.count(4)
    clock[0] = 112
    with pytest.raises(Enough):
        meter.count(4)
    assert (meter.clips, meter.steps, meter.seconds) == (8, 2, 12)
    assert meter.rate == pytest.approx(8 / 12)
    assert meter.peak_bytes > 1e7


def test_a_pause_is_not_counted(clock: list[float]) -> None:
    meter = Meter(TASK)
    meter.pause()
    meter.resume()
    meter.count(4)
    clock[0] = 6
    meter.count(4)
    meter.pause()
    clock[0] = 1000
    meter.resume()
    clock[0] = 1005
    with pytest.raises(Enough):
        meter.count(4)
    assert (meter.clips, meter.seconds) == (8, 11)


def test_ours_counts_training_steps_alone(make_clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real fit of two steps an epoch, each followed by a validation step, which the meter must not see."""
    for split in (TRAIN, TEST):
        clips = make_clips(8)
        np.savez(tmp_path / f"{split}.npz", frames=clips.frames, labels=clips.labels)
    seen, pause = [], Meter.pause

    def pause_seen(meter: Meter) -> None:
        seen.append(meter.steps)
        pause(meter)

    monkeypatch.setattr(Meter, "pause", pause_seen)
    task = Task("ours", "timesformer1", 2, batch_size=4, seconds=0.5, device="cpu", threads=1, folder=str(tmp_path))
    waited = []
    measured = measure_ours(task, lambda: waited.append(True))
    assert len(waited) == 2
    assert seen[:3] == [1, 3, 5]
    assert measured.training_steps >= 3
    assert 4 * measured.training_steps / measured.training >= 0.5
    assert measured.evaluation > 0


def test_the_peak_is_in_bytes() -> None:
    assert 5e7 < peak_bytes(measure.torch.device("cpu")) < 1e11
