"""Clips made ahead by Ray's tasks: a task that dies, a node that is lost, and memory that stays flat."""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
from ray._private.internal_api import memory_summary

from rac_ray.data import ahead
from rac_ray.data.ahead import MadeAhead
from rac_ray.data.generate import generate
from rac_ray.data.order import Share
from rac_ray.data.source import Item, Loaded, StoredClips
from rac_ray.data.streaming import StreamedBatches
from rac_ray.store.storage import Storage
from tests.clusters import two_nodes
from tests.data.conftest import dataset_of

GREY = (20, 1, 64, 64)


def numbers(items: Sequence[Item], pause: float = 0.0, killed: str = "") -> Loaded:
    """Clips whose labels are their numbers; the first one to be asked for number 20 dies, if ``killed`` is a file."""
    labels = np.array([item["number"] for item in items])
    if killed and 20 in labels and not Path(killed).exists():
        Path(killed).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(pause)
    return Loaded(np.zeros((len(items), 1, 1, 500, 1000), np.uint8), labels)


def items(count: int) -> list[Item]:
    return [{"number": number} for number in range(count)]


def labels_of(made: MadeAhead) -> list[int]:
    return [int(label) for piece in made for label in piece.labels]


@pytest.mark.usefixtures("local_ray")
def test_a_killed_task_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "TASK_CLIPS", 3)
    made = MadeAhead(partial(numbers, killed=str(tmp_path / "killed")), items(40), 500_000)
    assert labels_of(made) == list(range(40))
    assert (tmp_path / "killed").exists()


@pytest.mark.usefixtures("local_ray")
def test_no_more_is_asked_for_than_a_few_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "TASK_CLIPS", 2)
    made = MadeAhead(numbers, items(100), 500_000)
    given = iter(made)
    next(given)
    assert len(made._coming) == ahead.AHEAD
    made.close()
    assert list(given) == []


@pytest.mark.slow
def test_a_node_that_is_lost_costs_no_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes make clips; one goes in the middle, with what it had made."""
    monkeypatch.setattr(ahead, "TASK_CLIPS", 2)
    with two_nodes(head_cpus=1) as cluster:
        found = []
        for number, piece in enumerate(MadeAhead(partial(numbers, pause=0.3), items(60), 500_000)):
            found += piece.labels.tolist()
            if number == 6:
                cluster.remove_node(next(iter(cluster.worker_nodes)))
        assert found == list(range(60))


@pytest.mark.slow
def test_a_dataset_of_twenty_object_stores_is_read_in_flat_memory(tmp_path: Path) -> None:
    """2 GB of clips through an object store of 100 MB: nothing is spilled, and no process grows with the epoch."""
    clips, store = 25_000, 100_000_000
    assert clips * int(np.prod(GREY)) > 20 * store
    ray.init("local", num_cpus=2, object_store_memory=store, include_dashboard=False, log_to_driver=False)
    try:
        root = Storage.at(tmp_path)
        generate(root, dataset_of(**{"2dot__train": clips}))
        batches = StreamedBatches(StoredClips(root, "2dot/train", GREY), GREY, Share(64, key=1))
        used, seen = [], 0
        for step, (pixels, _) in enumerate(batches.epoch(0)):
            seen += len(pixels)
            if step % 20 == 19:
                used.append(resident_bytes())
        assert seen == clips // 64 * 64
        assert max(used) - used[1] < 0.1 * 20 * store
        assert max(used[len(used) // 2 :]) - max(used[: len(used) // 2]) < 50_000_000, "flat over the epoch"
        assert "Spilled" not in memory_summary(stats_only=True)
    finally:
        ray.shutdown()


def resident_bytes(pid: int | None = None) -> int:
    """Of this process, or another, and all that it started, pages that they share counted once."""
    top, found = psutil.Process(pid), 0
    for each in (top, *top.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            found += each.memory_full_info().pss
    return found
