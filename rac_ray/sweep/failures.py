"""Classes of failed attempts, how often each is tried again, and how long to wait before. Pure."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rac_ray.store.object_store import TRANSIENT
from rac_ray.store.storage import FULL_DISK

FailureClass = Literal["preempted", "out of memory", "not finite", "data", "code", "stalled"]

FAILURE_CLASSES: dict[str, FailureClass] = {
    "NotFinite": "not finite",
    "MemoryError": "out of memory",
    "OutOfMemoryError": "out of memory",
    "ArrowMemoryError": "out of memory",
    "BadInput": "data",
    "DamagedCheckpoint": "data",
    "ArrowInvalid": "data",
    "ActorDiedError": "preempted",
    "ActorUnavailableError": "preempted",
    "RayActorError": "preempted",
    "NodeDiedError": "preempted",
    "WorkerCrashedError": "preempted",
    "OwnerDiedError": "preempted",
    "ObjectLostError": "preempted",
    "ObjectReconstructionFailedError": "preempted",
    "ObjectFetchTimedOutError": "preempted",
    "PreemptionError": "preempted",
    "WorkerHealthCheckFailedError": "preempted",
    "WorkerHealthCheckTimeoutError": "preempted",
    "WorkerGroupStartupTimeoutError": "preempted",
    "WorkerGroupStartupFailedError": "preempted",
    "ActorPlacementGroupRemoved": "preempted",
}
"""Class by an exception's name; every other one is the code's."""
OUT_OF_MEMORY = {
    "code": ("out of memory", "ALLOC_FAILED", "can't allocate memory", "Cannot allocate memory"),
    "preempted": ("running low on memory",),
}
"""Words in the message of an exception of that class that mean memory: cuBLAS, cuDNN and torch on CPUs raise
RuntimeError, the system OSError, and Ray, when it kills a process that would exhaust its node, says why only in the
message of the actor's death."""


PEER_LOST = ("Connection reset by peer", "Connection closed by peer", "ncclRemoteError")
"""What the other ranks of a group say when one of them was killed."""


@dataclass(frozen=True)
class Budgets:
    """How often a trial is tried again after a failure of each class, each class on its own account."""

    preempted: int = 10
    """Retries when its process was killed, its node was lost, or its object store did not answer for minutes."""
    out_of_memory: int = 3
    """Retries when memory ran out, each time with half as many such trials side by side."""
    not_finite: int = 0
    """Retries when a loss or logits became NaN or infinite: on a CPU the next attempt would end at the same step."""
    data: int = 1
    """Retries when a checkpoint or clips could not be read; a damaged checkpoint is dropped and made again."""
    code: int = 1
    """Retries after any other exception."""
    stalled: int = 2
    """Retries when it made no step for far longer than a step takes; the process was killed."""

    def of(self, failure_class: str) -> int:
        return getattr(self, failure_class.replace(" ", "_"))


REASON_CHARACTERS = 500
"""Length to which a reason cuts an exception's message; the traceback has it whole."""
BACK_OFF_LIMIT = 300.0
"""Seconds that no back-off exceeds."""


def back_off(failures: int, base: float) -> float:
    """Seconds to wait after a trial's ``failures``-th failure: the base, doubled each time."""
    return min(base * 2.0 ** (failures - 1), BACK_OFF_LIMIT)


def classify(name: str, message: str) -> FailureClass:
    """The class of an exception, by its name, and by its message for memory that ran out."""
    found = FAILURE_CLASSES.get(name, "code")
    if found == "code" and (any(words in message for words in PEER_LOST) or TRANSIENT.search(message)):
        return "preempted"
    return "out of memory" if any(words in message for words in OUT_OF_MEMORY.get(found, ())) else found


def causes(error: BaseException) -> list[BaseException]:
    """An exception and what it came of, the first cause last: of a worker group its first worker's, or what its
    controller met, of a Ray task what it raised. The chain may be a circle: an exception that Ray hands on is raised
    anew by whoever asks again."""
    found: list[BaseException] = []
    of_group = [*getattr(error, "worker_failures", {}).values(), getattr(error, "controller_failure", None)]
    cause: BaseException | None = next((each for each in of_group if isinstance(each, BaseException)), error)
    while cause is not None and not any(cause is each for each in found):
        found.append(cause)
        raised = getattr(cause, "cause", None)  # by a Ray task
        cause = raised if isinstance(raised, BaseException) else cause.__cause__
    return found


def failure_of(error: BaseException) -> dict[str, Any]:
    """What is kept of an exception. A worker group's error is told by its first worker's."""
    cause = causes(error)[-1]
    name, message = type(cause).__name__, " ".join(str(cause).split())
    if "Traceback (most recent call last)" in message:  # Ray wraps what a remote function raised in its traceback
        name, _, message = str(cause).strip().splitlines()[-1].partition(": ")
        name = name.rpartition(".")[2]
    return {
        "class": classify(name, message),
        "reason": f"{name}: {message[:REASON_CHARACTERS]}",
        "traceback": "".join(traceback.format_exception(error)),
        "failed_at": now(),
    }


def lost_process(error: BaseException | None, where: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is kept when a trial's process died without a word; ``error`` is what Ray says of its actor, ``where`` what
    the attempt wrote down of its process when it began. A process that raised, and could not write that down, is told
    by what it raised."""
    if error is not None and isinstance(getattr(error, "cause", None), Exception):
        return failure_of(error)
    said = " ".join(str(error).split()) if error else ""
    known = f" {where['pid']} on {where['host']}" if where and {"pid", "host"} <= where.keys() else ""
    why = said[:300] or "neither it nor Ray says why; the machine's kernel log tells of memory that ran out"
    return {
        "class": classify("ActorDiedError", said),
        "reason": f"the trial's process{known} died (killed, or its node was lost): {why}",
        "traceback": str(error or ""),
        "failed_at": now(),
    }


def disk_is_full(error: BaseException) -> bool:
    """Whether an exception, or what caused it, is a disk or quota without room."""
    known = [each for cause in causes(error) for each in (cause, cause.__context__)]
    return any(isinstance(each, OSError) and each.errno in FULL_DISK for each in known)


def now() -> str:
    """UTC, for people to read."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def summary(failure: Mapping[str, Any]) -> str:
    """One line: class and reason."""
    return f"{failure['class']}: {failure['reason']}"
