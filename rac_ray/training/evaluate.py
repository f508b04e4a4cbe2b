"""A model on a domain's clips: per-clip predictions first, every figure computed from them afterwards."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import nn

from rac_ray.data.shards import Clips
from rac_ray.training.classifier import NotFinite, to_unit_range

EVALUATION_BATCH = 64


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
        """One row per clip."""
        count = len(self.clip_ids)
        return pa.table(
            {
                "target": [self.target] * count,
                "split": [self.split] * count,
                "clip_id": self.clip_ids,
                "label": self.labels.astype(np.int8),
                "predicted": self.predicted.astype(np.int8),
                "logits": pa.FixedSizeListArray.from_arrays(self.logits.ravel(), self.logits.shape[1]),
            }
        )


def predict(
    model: nn.Module,
    clips: Clips,
    target: str,
    split: str,
    *,
    device: torch.device,
    precision: str = "32",
    beat: Callable[[], None] = lambda: None,
) -> Predictions:
    """Run ``model`` in evaluation mode over all clips, at the precision it was trained with.

    ``beat`` is called after each batch. Raises NotFinite when a logit is NaN or infinite.
    """
    model.eval().to(device)
    dtypes = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
    logits = []
    with torch.inference_mode(), torch.autocast(device.type, dtypes.get(precision), enabled=precision in dtypes):
        for start in range(0, len(clips), EVALUATION_BATCH):
            frames = torch.tensor(clips.frames[start : start + EVALUATION_BATCH], device=device).unsqueeze(2)
            logits.append(model(to_unit_range(frames)).float())
            beat()
    values = torch.cat(logits).cpu().numpy()
    if not np.isfinite(values).all():
        raise NotFinite(f"logits on {target}/{split} are not finite")
    return Predictions(target, split, clips.clip_ids, clips.labels, values)
