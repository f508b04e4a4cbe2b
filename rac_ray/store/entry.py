"""One training as the ledger finds it: its state, that of each of its trials, and why they are not done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from rac_ray.counted import counted
from rac_ray.identity import Trial
from rac_ray.store.files import BEST_CHECKPOINT, LAST_CHECKPOINT, RECORD, is_failure
from rac_ray.store.record import Count, Named, Positive, Record
from rac_ray.store.storage import UNREADABLE

State = Literal["done", "unreached", "failed", "running", "pending"]
STATES: tuple[State, ...] = ("done", "unreached", "failed", "running", "pending")
"""``unreached``: the training is done and never came near the level at which its trial was to be compared."""


def spoken_of(counts: Mapping[Any, int]) -> dict[str, int]:
    """Trials by state, without a rare state that none is in."""
    return {state: counts[state] for state in STATES if counts[state] or state != "unreached"}


def added_up(counts: Mapping[Any, int]) -> str:
    """``15 done + 1 failed + 0 running + 0 pending``."""
    return " + ".join(f"{count} {state}" for state, count in spoken_of(counts).items())


@dataclass(frozen=True)
class Entry:
    """All that the ledger holds of one training, from one look at its folder."""

    training_id: str
    sizes: Mapping[str, int]
    """Bytes of each of its files."""
    record: Record | None
    """Record of a finished training; None also when ``record.json`` is not whole, and of a damaged training."""
    attempt: dict[str, Any] | None = None
    """The last attempt begun: its number, driver, host and process; not read when nothing is outstanding."""
    failures: tuple[dict[str, Any], ...] = ()
    """Failed attempts, oldest first; not read when nothing is outstanding."""
    outstanding: int = 0
    """Evaluations that are wanted of the finished training and missing."""
    damaged: str = ""
    """What is wrong with a table of a training whose record is whole: it counts as failed until it is run again."""

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.record is not None and not self.outstanding

    @property
    def attempts(self) -> int:
        """Number of the last attempt."""
        begun = self.attempt["attempt"] if self.attempt else 0
        before = self.record.attempt if self.record else 0
        return max([begun, before, *(failure["attempt"] for failure in self.failures)])

    def state(self, driver: str | None) -> State:
        """State of the training, given the token of the driver that lives (None: none does).

        An attempt that neither succeeded nor failed is running under a living driver and interrupted, that is
        pending, under a dead one. A failed attempt leaves its training pending until its driver gives it up.
        """
        if self.done:
            return "done"
        failed_at = self.failures[-1]["attempt"] if self.failures else 0
        if self.attempt and self.attempt["attempt"] > failed_at:
            return "running" if self.attempt["driver"] == driver else "failed" if self.damaged else "pending"
        given_up = self.failures and self.failures[-1].get("retry") is False
        return "failed" if given_up or self.damaged else "pending"

    def state_of(self, trial: Trial | Named, driver: str | None) -> State:
        """State of one of the training's trials."""
        state = self.state(driver)
        checkpoint = self.record.checkpoint(trial.level) if self.record else None
        return "unreached" if state == "done" and checkpoint and not checkpoint.reached else state

    def reason(self, driver: str | None) -> str:
        """Why the training is not done; empty when it is."""
        state = self.state(driver)
        if state == "done":
            return ""
        if state == "running":
            return f"attempt {self.attempts} is running"
        if self.damaged:
            return f"damaged: {self.damaged}; `retry` runs it again"
        if RECORD in self.sizes and self.record is None:
            return f"{RECORD} is not whole; the trial runs again"
        checkpoint = ", goes on from its checkpoint" if LAST_CHECKPOINT in self.sizes else ""
        if self.failures and self.failures[-1]["attempt"] == self.attempts:
            failure = self.failures[-1]
            return f"{failure['class']}: {failure['reason']}" + (checkpoint if state == "pending" else "")
        if self.record is not None:
            again = "" if BEST_CHECKPOINT in self.sizes else ", and its weights: it is trained again"
            return f"trained; {counted(self.outstanding, 'evaluation is', 'evaluations are')} missing{again}"
        return f"attempt {self.attempts} was interrupted{checkpoint}" if self.attempt else "has not run"

    def reason_of(self, trial: Trial | Named, driver: str | None) -> str:
        """Why one of the training's trials is not done."""
        if self.state_of(trial, driver) != "unreached" or self.record is None:
            return self.reason(driver)
        best = self.record.best_val_top1
        return f"never reached a validation top-1 of {trial.level:g}: {best:.4f} at best"


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What the file of an attempt says; it may say more."""

    attempt: Positive
    driver: str
    host: str = ""
    pid: Count = 0
    began_at: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True, rename={"name": "class"}):
    """What the file of a failed attempt says; it may say more."""

    attempt: Positive
    name: str
    """Of its class."""
    reason: str
    retry: bool | None = None
    host: str = ""
    traceback: str = ""
    log_tail: list[str] = []


def parsed(name: str, content: bytes | None) -> dict[str, Any] | None:
    """The plain values in the file of an attempt or a failure; None where there is none, and for anything else."""
    try:
        value = msgspec.json.decode(content or b"null", type=dict[str, Any])
        msgspec.convert(value, Failure if is_failure(name) else Begun)
    except UNREADABLE:
        return None
    return value
