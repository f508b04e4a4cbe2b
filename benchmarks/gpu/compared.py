"""What two trainings are compared by: last weights, losses, steps without a graph; and how one is interrupted."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.agreement import distance
from rac_ray.store.files import LAST_CHECKPOINT
from rac_ray.store.storage import Storage
from rac_ray.training.fit import Fit


class Stopped(Exception):
    """An epoch has ended after which training is to be interrupted."""


def stopping_after(epoch: int | None) -> Callable[[Any], None]:
    """What ``fit`` is to report to, so that it ends with ``Stopped`` after an epoch; None: it does not."""

    def report(row: Any) -> None:
        if row["epoch"] == epoch:
            raise Stopped

    return report


class _Warned(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def refusals() -> Iterator[list[str]]:
    """What ``rac_ray.training.recorded`` warns of meanwhile: steps that are made without a graph."""
    warned, logger = _Warned(), logging.getLogger("rac_ray.training.recorded")
    logger.addHandler(warned)
    try:
        yield warned.said
    finally:
        logger.removeHandler(warned)


def last_state(folder: Storage) -> tuple[dict[str, Tensor], float | None]:
    """Weights of the last checkpoint on the CPU, and the scale of its losses; None without one."""
    content = torch.load(io.BytesIO(folder.read_bytes(LAST_CHECKPOINT)), map_location="cpu", weights_only=True)
    return content["state_dict"], content.get("MixedPrecision", {}).get("scale")


def largest(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """The largest relative distance of a floating-point tensor from its namesake."""
    return max(distance(some[name], value) for name, value in others.items() if value.is_floating_point())


def losses_apart(one: Fit, other: Fit, epochs: int | None = None) -> float:
    """The largest relative difference of an epoch's training loss; of the first ``epochs``, or of all."""
    pairs = zip(one.epochs[:epochs], other.epochs[:epochs], strict=True)
    return max(abs(a["train_loss"] - b["train_loss"]) / b["train_loss"] for a, b in pairs)
