"""Whose fault a failure is, and how often each kind is tried again."""

import errno
from dataclasses import fields
from typing import get_args

import pytest

from rac_ray.errors import BadInput
from rac_ray.sweep.failures import (
    FAILURE_CLASSES,
    Budgets,
    FailureClass,
    back_off,
    classify,
    disk_is_full,
    failure_of,
    lost_process,
)
from rac_ray.training.classifier import NotFinite


def test_every_class_has_a_budget_of_its_own() -> None:
    assert set(FAILURE_CLASSES.values()) | {"code", "stalled"} == set(get_args(FailureClass))
    budgets = Budgets(preempted=7, out_of_memory=6, not_finite=5, data=4, code=3, stalled=2)
    assert [budgets.of(name) for name in get_args(FailureClass)] == [7, 6, 5, 4, 3, 2]
    assert {field.name.replace("_", " ") for field in fields(Budgets)} == set(get_args(FailureClass))


def test_the_back_off_doubles_up_to_five_minutes() -> None:
    assert [back_off(count, 5) for count in (1, 2, 3, 7, 30)] == [5, 10, 20, 300, 300]


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("NotFinite", "training loss is nan in epoch 0", "not finite"),
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB", "out of memory"),
        ("RuntimeError", "CUDA error: out of memory", "out of memory"),
        ("RuntimeError", "cuBLAS error: CUBLAS_STATUS_ALLOC_FAILED", "out of memory"),
        ("MemoryError", "", "out of memory"),
        ("RuntimeError", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes", "out of memory"),
        ("ArrowMemoryError", "malloc of size 64 failed", "out of memory"),
        ("OSError", "[Errno 12] Cannot allocate memory", "out of memory"),
        ("OSError", "google::cloud::Status(UNAVAILABLE: Retry policy exhausted in Get: 503", "preempted"),
        ("ObjectReconstructionFailedError", "", "preempted"),
        ("ActorDiedError", "killed due to the node running low on memory", "out of memory"),
        # What Ray says of every process killed by SIGKILL, whoever did it:
        ("ActorDiedError", "possible root causes: (1) SIGKILL by OOM killer due to high memory usage", "preempted"),
        ("NodeDiedError", "", "preempted"),
        ("RuntimeError", "[gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer.", "preempted"),
        ("OSError", "When reading 'a': AWS Error NETWORK_CONNECTION during HeadObject operation", "preempted"),
        ("OSError", "[Errno 5] Input/output error", "code"),
        ("DamagedCheckpoint", "last.ckpt cannot be read", "data"),
        ("BadInput", "shard is corrupt", "data"),
        ("KeyError", "'x'", "code"),
    ],
)
def test_classes_by_name_and_message(name: str, message: str, expected: str) -> None:
    assert classify(name, message) == expected


def test_what_is_kept_of_a_failure() -> None:
    """Of an exception in this process its first cause, of a worker group's the first worker's last line."""
    from ray.train.v2.api.exceptions import WorkerGroupError

    class ActorDiedError(Exception):
        """By name as Ray's own, which only Ray can make."""

    def kept(error: Exception) -> tuple[str, str]:
        failure = failure_of(error)
        return failure["class"], failure["reason"]

    wrapped = RuntimeError("outer")
    wrapped.__cause__ = MemoryError("17 GB")
    assert kept(wrapped) == ("out of memory", "MemoryError: 17 GB")
    assert kept(KeyError("x")) == ("code", "KeyError: 'x'")
    traceback = (
        "Traceback (most recent call last):\n  ...\nrac_ray.training.fit.NotFinite: training loss is nan: epoch 0"
    )
    group = WorkerGroupError(
        "two workers failed", {1: NotFinite("training loss is nan: epoch 0"), 0: RuntimeError("x")}
    )
    assert kept(group) == ("not finite", "NotFinite: training loss is nan: epoch 0")
    group = WorkerGroupError("two workers failed", {1: RuntimeError(traceback)})
    assert kept(group) == ("not finite", "NotFinite: training loss is nan: epoch 0")
    assert "two workers failed" in failure_of(group)["traceback"]
    killed = WorkerGroupError(
        "two workers failed", {1: ActorDiedError("killed:\n Worker exit type: SYSTEM_ERROR Detail: x")}
    )
    assert kept(killed) == ("preempted", "ActorDiedError: killed: Worker exit type: SYSTEM_ERROR Detail: x")


def test_a_process_that_died_without_a_word() -> None:
    assert lost_process(None)["class"] == "preempted"
    failure = lost_process(RuntimeError("The actor died\n  unexpectedly"))
    assert failure["reason"].endswith("(killed, or its node was lost): The actor died unexpectedly")
    assert lost_process(RuntimeError("the node was running low on memory"))["class"] == "out of memory"


def test_a_process_that_raised_and_could_not_write_is_told_by_what_it_raised() -> None:
    """As on a node that may not write to the storage: no retry for lost machines mends that."""
    from ray.exceptions import RayTaskError

    raised = RayTaskError("train", "a traceback", BadInput("storage 's3://b/x' refuses access (ACCESS_DENIED)"))
    failure = lost_process(raised)
    assert (failure["class"], failure["reason"]) == (
        "data",
        "BadInput: storage 's3://b/x' refuses access (ACCESS_DENIED)",
    )


def test_a_group_that_found_no_machines_in_time_is_told_by_its_controllers_failure() -> None:
    from ray.train import ControllerError
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

    failure = failure_of(ControllerError(WorkerGroupStartupTimeoutError(4)))
    assert failure["class"] == "preempted"
    assert failure["reason"].startswith("WorkerGroupStartupTimeoutError: The worker group startup timed out after")


def test_a_process_of_which_ray_knows_nothing_is_named() -> None:
    failure = lost_process(None, {"attempt": 1, "pid": 123, "host": "node-7"})
    died = "the trial's process 123 on node-7 died (killed, or its node was lost)"
    why = "neither it nor Ray says why; the machine's kernel log tells of memory that ran out"
    assert (failure["class"], failure["reason"], failure["traceback"]) == ("preempted", f"{died}: {why}", "")
    assert lost_process(None, {"attempt": 1})["reason"] == f"{died.replace(' 123 on node-7', '')}: {why}"


def test_a_full_disk_is_found_below_what_it_caused() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert disk_is_full(full)
    assert disk_is_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    outer = RuntimeError("checkpoint could not be written")
    outer.__cause__ = full
    assert disk_is_full(outer)
    later = BadInput("meanwhile")
    later.__context__ = full
    assert disk_is_full(later)
    assert not disk_is_full(OSError(errno.EACCES, "Permission denied"))
