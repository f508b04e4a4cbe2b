"""A model on all target domains: per-clip predictions first, every figure computed from them afterwards."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rac_ray.data.shards import Clips
from rac_ray.training.classifier import Batch, NotFinite, to_unit_range

DTYPES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
"""Of activations, by a trial's precision."""
EVALUATION_BATCHES = {"cpu": 64, "cuda": 256}
"""Clips at once by device: a CPU gains nothing from more; a GPU takes these, which probes have counted, or the largest
halving that fits."""


@dataclass(frozen=True)
class Predictions:
    """What a model said about each clip of one evaluation set."""

    target: str
    """Domain of the clips."""
    split: str
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

    def table(self) -> pa.Table:
        """One row per clip; classes are 32 bits wide (8 in files of earlier versions)."""
        count = len(self.clip_ids)
        return pa.table(
            {
                "target": [self.target] * count,
                "split": [self.split] * count,
                "clip_id": self.clip_ids,
                "label": pa.array(self.labels, pa.int32()),
                "predicted": pa.array(self.predicted, pa.int32()),
                "logits": pa.FixedSizeListArray.from_arrays(self.logits.ravel(), self.logits.shape[1]),
            }
        )


def predict(
    model: nn.Module,
    parts: Mapping[str, Clips],
    *,
    device: torch.device,
    precision: str = "32",
    beat: Callable[[], None] = lambda: None,
) -> list[Predictions]:
    """Run ``model`` in evaluation mode over the clips of each ``domain/split``, at the precision it was trained with.

    All parts are one pass: a batch may hold clips of two. ``beat`` is called after each batch. Raises NotFinite when a
    logit is NaN or infinite.
    """
    model.eval().to(device)
    frames = torch.cat([torch.tensor(clips.frames) for clips in parts.values()]).unsqueeze(2)
    with torch.inference_mode(), torch.autocast(device.type, DTYPES.get(precision), enabled=precision in DTYPES):
        logits = _logits(model, frames, EVALUATION_BATCHES[device.type], device, beat)
    predictions, first = [], 0
    for part, clips in parts.items():
        values = logits[first : first + len(clips)]
        first += len(clips)
        if not np.isfinite(values).all():
            raise NotFinite(f"logits on {part} are not finite")
        target, split = part.split("/")
        predictions.append(Predictions(target, split, clips.clip_ids, clips.labels, values))
    return predictions


def predict_batches(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    device: torch.device,
    precision: str = "32",
    scaled: Callable[[Tensor], Tensor] = to_unit_range,
    beat: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """Logits (N, num_classes) of clips that come in batches, in their order. Raises NotFinite as ``predict`` does."""
    model.eval().to(device)
    logits = []
    with torch.inference_mode(), torch.autocast(device.type, DTYPES.get(precision), enabled=precision in DTYPES):
        for frames, _ in batches:
            logits.append(model(scaled(frames.to(device))).float().cpu())
            beat()
    found = torch.cat(logits).numpy() if logits else np.empty((0, 0), np.float32)
    if not np.isfinite(found).all():
        raise NotFinite("logits are not finite")
    return found


def _logits(
    model: nn.Module, frames: Tensor, batch: int, device: torch.device, beat: Callable[[], None]
) -> NDArray[np.float32]:
    """Logits (N, num_classes) of frames (N, T, 1, H, W) uint8, in batches halved as often as memory runs out."""
    logits: list[Tensor] = []
    first = 0
    while first < len(frames):
        try:
            logits.append(model(to_unit_range(frames[first : first + batch].to(device))).float())
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
            batch //= 2
            continue
        first += len(logits[-1])
        beat()
    return torch.cat(logits).cpu().numpy()
