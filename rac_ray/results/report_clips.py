"""The misclassified clips that a report shows, and the clips as animations."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from rac_ray.errors import BadInput

ClipSource = Callable[[str], NDArray[np.uint8]]
"""Clip id to frames (T, H, W) uint8; raises BadInput, with the reason, for a target whose clips cannot be had."""

FIRST_CLIPS = 40
"""Clips of an evaluation set that are candidates, so that the trials of a sweep share what is embedded."""
SHOWN = 3
MILLISECONDS = 100
GREY_LEVELS = 32
"""Fewer grey levels than 256 halve an animation with a noisy background and look the same."""

Mistakes = dict[str, dict[str, list[dict[str, Any]]]]


def worst_mistakes(predictions: pd.DataFrame, evaluations: pd.DataFrame) -> Mistakes:
    """The most confidently misclassified of the first clips of each target set, by trial and ``target/split``."""
    if not {"predicted", "logits"} <= set(predictions.columns):
        return {}
    targets = evaluations.query("role == 'target'").reindex(columns=["trial_id", "target", "split"])
    clips = predictions.reindex(columns=["target", "split", "clip_id"]).drop_duplicates().sort_values("clip_id")
    first = clips.groupby(["target", "split"]).head(FIRST_CLIPS)
    wrong = predictions.query("label != predicted").merge(first, on=["target", "split", "clip_id"])
    chosen = wrong.merge(targets, on=["trial_id", "target", "split"])
    if chosen.empty:
        return {}
    chosen = chosen.assign(confidence=_confidence(np.stack(chosen["logits"].to_list())))
    chosen = chosen.sort_values(["confidence", "clip_id"], ascending=[False, True], kind="stable")
    return _by_trial_and_set(chosen.groupby(["trial_id", "target", "split"], sort=False).head(SHOWN))


def _confidence(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, classes) to (N,): the softmax of the largest logit."""
    shifted = logits.astype(float) - logits.max(axis=1, keepdims=True)
    return 1 / np.exp(shifted).sum(axis=1)


def _by_trial_and_set(rows: pd.DataFrame) -> Mistakes:
    found: Mistakes = {}
    columns = ["trial_id", "target", "split", "clip_id", "label", "predicted", "confidence"]
    for trial_id, target, split, clip_id, label, predicted, confidence in rows.reindex(columns=columns).itertuples(
        index=False
    ):
        shown = found.setdefault(trial_id, {}).setdefault(f"{target}/{split}", [])
        shown.append(
            {"clip": clip_id, "label": int(label), "predicted": int(predicted), "confidence": round(confidence, 4)}
        )
    return found


def animations(mistakes: Mistakes, clips: ClipSource) -> tuple[dict[str, str], dict[str, str]]:
    """Every clip of ``mistakes`` once, by its id, as base64 of a GIF; and why a ``target/split`` has none, by its name.

    The latter are those of which ``clips`` raises BadInput.
    """
    wanted: dict[str, set[str]] = {}
    for sets in mistakes.values():
        for name, rows in sets.items():
            wanted.setdefault(name, set()).update(row["clip"] for row in rows)
    shown, left_out = dict[str, str](), dict[str, str]()
    for name, clip_ids in sorted(wanted.items()):
        try:
            shown |= {clip_id: encoded(clips(clip_id)) for clip_id in sorted(clip_ids)}
        except BadInput as error:
            left_out[name] = str(error)
    return shown, left_out


def domain_clips(predictions: pd.DataFrame, evaluations: pd.DataFrame, clips: ClipSource) -> dict[str, str]:
    """One clip of each domain as base64 of a GIF, all of one class where they have it: that of the first domain's first
    clip. Domains whose clips cannot be had are left out."""
    if "clip_id" not in predictions:
        return {}
    asked = evaluations.query("role in ('source_test', 'target')").reindex(columns=["target", "split"])
    known = predictions.reindex(columns=["target", "split", "clip_id", "label"]).merge(asked.drop_duplicates())
    known = known.drop_duplicates("clip_id").sort_values("clip_id", kind="stable")
    first = known.groupby("target", sort=False).head(FIRST_CLIPS)
    wanted = next(iter(first["label"].tolist()), 0)
    shown: dict[str, str] = {}
    for target, rows in first.groupby("target", sort=True):
        alike = rows[rows["label"] == wanted]
        try:
            shown[str(target)] = encoded(clips(next(iter([*alike["clip_id"], *rows["clip_id"]]))))
        except BadInput:
            continue
    return shown


def encoded(frames: NDArray[np.uint8]) -> str:
    """An animation as base64."""
    return base64.b64encode(animation(frames)).decode()


def animation(frames: NDArray[np.uint8]) -> bytes:
    """A GIF that plays frames (T, H, W) or (T, H, W, 3) uint8 for ever."""
    step = 256 // GREY_LEVELS
    levels = np.minimum(frames // step * step * (255 / (256 - step)), 255).round().astype(np.uint8)
    images = [Image.fromarray(frame) for frame in levels]
    sink = io.BytesIO()
    images[0].save(sink, "GIF", save_all=True, append_images=images[1:], duration=MILLISECONDS, loop=0)
    return sink.getvalue()
