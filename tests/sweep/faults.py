"""Faults to inject into a trial's process, from outside: trainables that break something and then run the trial.

Each is a trainable for ``run_plan``; it breaks the first attempt at a trial and leaves later ones alone.
"""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray
import torch

from rac_ray.data import ahead
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep import attempt as attempts
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.worker import train_loop
from rac_ray.training import progress
from rac_ray.training.classifier import Classifier

DAY = 86_400.0


def _breaking(step: Any, config: dict[str, Any], **given: Any) -> None:
    """Run a trial whose first attempt calls ``step`` in its third training step."""
    if config["attempt"] > 1:
        run_task(config, **given)
        return
    original, calls = Classifier.training_step, []

    def training_step(self: Classifier, batch: Any, batch_idx: int) -> Any:
        calls.append(batch_idx)
        if len(calls) == 3:
            step()
        return original(self, batch, batch_idx)

    with patch.object(Classifier, "training_step", training_step):
        run_task(config, **given)


def sleeps_for_ever(config: dict[str, Any], **given: Any) -> None:
    def nap_without_end() -> None:
        time.sleep(10 * DAY)

    _breaking(nap_without_end, config, **given)


def takes_its_time(config: dict[str, Any], **given: Any) -> None:
    """Every step takes a third of a second more; the numbers are the same."""
    original = Classifier.training_step

    def training_step(self: Classifier, batch: Any, batch_idx: int) -> Any:
        time.sleep(0.3)
        return original(self, batch, batch_idx)

    with patch.object(Classifier, "training_step", training_step):
        run_task(config, **given)


def runs_out_of_gpu_memory(config: dict[str, Any], **given: Any) -> None:
    def allocate() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    _breaking(allocate, config, **given)


def kills_itself(config: dict[str, Any], **given: Any) -> None:
    _breaking(lambda: os.kill(os.getpid(), signal.SIGKILL), config, **given)


def kills_itself_after_an_epoch_of_two_steps(config: dict[str, Any], **given: Any) -> None:
    """The epoch takes a second more, and is in a checkpoint."""
    original = Classifier.on_validation_epoch_end

    def on_validation_epoch_end(self: Classifier) -> None:
        time.sleep(1.0 if config["attempt"] == 1 else 0.0)
        original(self)

    slower = patch.object(Classifier, "on_validation_epoch_end", on_validation_epoch_end)
    with slower, patch.object(progress, "CHECKPOINT_SECONDS", 0.0):
        kills_itself(config, **given)


@contextmanager
def _with_a_diary(diary: str, attempt: int, fault: Callable[[int], None]) -> Iterator[None]:
    """Every step leaves a checkpoint, and a line that names its clips by their digests.

    In the fifth step of the second epoch the first attempt comes to the fault, which is told the rank.
    """
    original = Classifier.training_step

    def training_step(self: Classifier, batch: Any, batch_idx: int) -> Any:
        clips = [hashlib.sha256(clip.numpy().tobytes()).hexdigest() for clip in batch[0]]
        line = {"epoch": self.current_epoch, "step": batch_idx, "clips": clips}
        with Path(diary, f"{attempt}-{self.global_rank}").open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        if (attempt, self.current_epoch, batch_idx) == (1, 1, 4):
            fault(self.global_rank)
        return original(self, batch, batch_idx)

    with (
        patch.object(Classifier, "training_step", training_step),
        patch.object(progress, "MIDWAY_SECONDS", -1.0),
        patch.object(progress, "STEPS_BETWEEN", 1),
    ):
        yield


def _dies(doomed: int, rank: int) -> None:
    if rank == doomed:
        os.kill(os.getpid(), signal.SIGKILL)


def kills_itself_midway(diary: str, config: dict[str, Any], **given: Any) -> None:
    """The first attempt dies in the middle of an epoch, after a checkpoint."""
    with _with_a_diary(diary, config["attempt"], partial(_dies, 0)):
        run_task(config, **given)


def kills_a_rank_midway(diary: str, doomed: int, config: dict[str, Any], **given: Any) -> None:
    """The same for one process of a worker group."""
    with patch.object(attempts, "train_loop", partial(_loop_with_a_diary, diary, doomed)):
        run_task(config, **given)


def _loop_with_a_diary(diary: str, doomed: int, config: dict[str, Any]) -> None:
    with _with_a_diary(diary, config["job"].attempt, partial(_dies, doomed)):
        train_loop(config)


def loses_a_node_midway(folder: str, config: dict[str, Any], **given: Any) -> None:
    """The first attempt waits in the middle of an epoch, for ``gone`` in the folder, and says so in ``waiting`` there.

    Clips are made slowly, a few at a time; ``made`` has a file for each node with a line for each time. ``diary`` has
    a folder for each training.
    """
    make, training_id = ahead._made, config["training_id"]
    (diary := Path(folder, "diary", training_id)).mkdir(parents=True, exist_ok=True)

    def made(load: Any, items: Any) -> Any:
        with Path(folder, "made", ray.get_runtime_context().get_node_id()).open("a") as lines:
            lines.write(" ".join(item["clip_id"] for item in items) + "\n")
        time.sleep(0.2)
        return make(load, items)

    def waits(_rank: int) -> None:
        Path(folder, "waiting", training_id).touch()
        while not Path(folder, "gone").exists():
            time.sleep(0.05)

    with (
        _with_a_diary(str(diary), config["attempt"], waits),
        patch.object(ahead, "_made", made),
        patch.object(ahead, "TASK_CLIPS", 4),
    ):
        run_task(config, **given)


def harms_a_shard(harm: str, data: str, config: dict[str, Any], **given: Any) -> None:
    """A shard of training clips is deleted or damaged in the third step; few clips are made ahead."""
    original, calls = Classifier.training_step, []

    def training_step(self: Classifier, batch: Any, batch_idx: int) -> Any:
        calls.append(batch_idx)
        if len(calls) == 3 and config["attempt"] == 1:
            (shard,) = Path(data, "2dot").glob("train-*.parquet")
            content = bytearray(shard.read_bytes())
            content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
            if harm == "damages":
                (rotten := shard.with_suffix(".rotten")).write_bytes(content)
                rotten.replace(shard)
            else:
                shard.unlink()
        return original(self, batch, batch_idx)

    with patch.object(Classifier, "training_step", training_step), patch.object(ahead, "TASK_CLIPS", 4):
        run_task(config, **given)


def trains_nothing(config: dict[str, Any], **given: Any) -> None:
    """A training step raises; evaluation is left alone."""

    def training_step(self: Classifier, batch: Any, batch_idx: int) -> Any:
        raise AssertionError("a training step was made")

    with patch.object(Classifier, "training_step", training_step):
        run_task(config, **given)


def kills_itself_before_the_evaluation(config: dict[str, Any], **given: Any) -> None:
    """The first attempt ends when the weights and the record are written; later ones may not train."""
    if config["attempt"] > 1:
        trains_nothing(config, **given)
        return
    original = Ledger.trained

    def trained(self: Ledger, *what: Any) -> None:
        original(self, *what)
        os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(Ledger, "trained", trained):
        run_task(config, **given)


def has_a_bug(config: dict[str, Any], **given: Any) -> None:
    def bug() -> None:
        raise KeyError("a bug that goes away")

    _breaking(bug, config, **given)


def lives_through_a_jump_of_the_clock(config: dict[str, Any], **given: Any) -> None:
    """The date goes back a day, then forward two, while the trial trains."""
    real, jumps = time.time, iter([-DAY, DAY])
    shift = [0.0]

    def jump() -> None:
        shift[0] += next(jumps, 0.0)

    with patch.object(time, "time", lambda: real() + shift[0]):
        _breaking(jump, config, **given)


def kills_the_driver_while_the_record_is_written(config: dict[str, Any], **given: Any) -> None:
    """The driver (its pid is in the environment) dies when the record's temporary file is there, its name not yet."""
    original = Storage.writing

    @contextmanager
    def writing(self: Storage, name: str) -> Any:
        with original(self, name) as path:
            yield path
            if name == "record.json":
                os.kill(int(os.environ["TINY_DRIVER"]), signal.SIGKILL)
                time.sleep(60)

    with patch.object(Storage, "writing", writing):
        run_task(config, **given)


def does_nothing(config: dict[str, Any], **given: Any) -> None:
    """A trivial training: a report and what it leaves, nothing trained."""
    from ray import tune

    from tests.records import finish

    tune.report({"epoch": 0})
    finish(given["setting"].ledger, given["tasks"][config["training_id"]])
