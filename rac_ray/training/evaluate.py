"""A checkpoint on its domains: per-clip predictions first, every figure computed from them afterwards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rac_ray.data.feed import Batch, Feeds, Place
from rac_ray.identity import Evaluation
from rac_ray.store.record import Evaluated, evaluated
from rac_ray.training.accuracy import TOP_K, among_the_best
from rac_ray.training.classifier import NotFinite, to_unit_range

DTYPES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
"""Types of activations, by a training's precision."""
EVALUATION_BATCHES = {"cpu": 64, "cuda": 256}
"""Clips at once by device: a CPU gains nothing from more; a GPU takes these, which probes have counted, or the largest
halving that fits."""


@dataclass(frozen=True)
class Predictions:
    """What a model said about each clip of one evaluation set."""

    evaluation: Evaluation
    clip_ids: list[str]
    labels: NDArray[np.int64]
    """(N,)"""
    logits: NDArray[np.float32]
    """(N, num_classes)"""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the class of the largest logit, the first one on ties."""
        return self.logits.argmax(axis=1)

    @property
    def correct(self) -> int:
        return int((self.predicted == self.labels).sum())

    def score(self, training_id: str, epoch: int) -> Evaluated:
        """What the checkpoint of an epoch scored; top-5 where there are more classes than that."""
        clips, classes = self.logits.shape
        found = among_the_best(self.logits, self.labels).mean() if classes > TOP_K else None
        return evaluated(
            self.evaluation,
            training_id,
            epoch,
            clips=clips,
            correct=self.correct,
            top1=self.correct / clips,
            top5=None if found is None else float(found),
        )

    def table(self, evaluation_id: str) -> pa.Table:
        """One row per clip."""
        count = len(self.clip_ids)
        return pa.table(
            {
                "evaluation_id": [evaluation_id] * count,
                "target": [self.evaluation.target] * count,
                "split": [self.evaluation.split] * count,
                "clip_id": self.clip_ids,
                "label": self.labels.astype(np.int32),
                "predicted": self.predicted.astype(np.int32),
                "logits": pa.FixedSizeListArray.from_arrays(self.logits.ravel(), self.logits.shape[1]),
            }
        )


def evaluate(
    model: nn.Module,
    feeds: Feeds,
    evaluations: Iterable[Evaluation],
    *,
    place: Place,
    precision: str,
    scaled: Callable[[Tensor], Tensor],
    beat: Callable[[], None] = lambda: None,
) -> list[Predictions]:
    """What ``model`` says of each evaluation's clips, at the precision it was trained with; the same on each worker.

    ``beat`` is called after each batch. Raises NotFinite when a logit is NaN or infinite.
    """
    device, found = torch.device(place.device), []
    for evaluation in evaluations:
        asked = feeds.asked(evaluation.part)
        mine = predict(model, asked.batches, device=device, precision=precision, scaled=scaled, beat=beat)
        logits = _gathered(mine, place.world)
        if not np.isfinite(logits).all():
            raise NotFinite(f"logits on {evaluation.part} are not finite")
        found.append(Predictions(evaluation, asked.clip_ids, asked.labels, logits))
    return found


def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    device: torch.device,
    precision: str = "32",
    scaled: Callable[[Tensor], Tensor] = to_unit_range,
    beat: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """Logits (N, num_classes) of clips that come in batches, in their order; the model goes to evaluation mode.

    A batch that does not fit the device is halved as often as it takes.
    """
    model.eval().to(device)
    logits = []
    with torch.inference_mode(), torch.autocast(device.type, DTYPES.get(precision), enabled=precision in DTYPES):
        for frames, _ in batches:
            logits += _said(model, frames, scaled, device)
            beat()
    return torch.cat(logits).numpy() if logits else np.empty((0, 0), np.float32)


def _said(model: nn.Module, frames: Tensor, scaled: Callable[[Tensor], Tensor], device: torch.device) -> list[Tensor]:
    """Logits of frames (B, T, C, H, W) uint8 on the CPU, in as few pieces as memory allows."""
    try:
        return [model(scaled(frames.to(device))).float().cpu()]
    except torch.OutOfMemoryError:
        if len(frames) == 1:
            raise
    half = len(frames) // 2
    return _said(model, frames[:half], scaled, device) + _said(model, frames[half:], scaled, device)


def _gathered(logits: NDArray[np.float32], world: int) -> NDArray[np.float32]:
    """The logits of all clips (N, num_classes) from those that each worker has: every world-th."""
    if world == 1:
        return logits
    shares: list[Any] = [None] * world
    torch.distributed.all_gather_object(shares, logits)
    rows = [row for rows in zip_longest(*shares) for row in rows if row is not None]
    return np.stack(rows)
