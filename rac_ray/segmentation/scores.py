"""How good predicted divers are: the study's box IoU and COCO's mask AP. Pure.

``val_iou_boxes`` decided which epoch the study used (facts.md section 4). It looks at the best tenth of the boxes and
at the first diver only, so the average precision stands beside it.
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

TOP_SHARE = 0.1
"""Share of the predictions that the box IoU is averaged over."""
DIVER = 1
"""The only class."""


@dataclass(frozen=True)
class Predicted:
    """What the network says of one image."""

    boxes: NDArray[np.float32]
    """(N, 4): x0, y0, x1, y1, in pixels."""
    scores: NDArray[np.float32]
    """(N,), in [0, 1]."""
    masks: NDArray[np.bool_]
    """(N, H, W), soft masks above 0.5."""


def box_iou(boxes: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union (N,) of boxes (N, 4) with one box (4,)."""
    first, last = np.maximum(boxes[:, :2], other[:2]), np.minimum(boxes[:, 2:], other[2:])
    shared = np.clip(last - first, 0, None).prod(axis=1, dtype=np.float64)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1, dtype=np.float64)
    return shared / (areas + float(np.prod(other[2:] - other[:2])) - shared)


def top_iou(boxes: NDArray[np.float32], true_boxes: NDArray[np.float32]) -> float:
    """Mean IoU with the first true box of the tenth of the boxes (N, 4) that fit it best, at least one; 0 of none."""
    if not len(boxes):
        return 0.0
    best = np.sort(box_iou(boxes, true_boxes[0]))[::-1]
    return float(best[: max(1, int(TOP_SHARE * len(boxes)))].mean())


def val_iou_boxes(predicted: Sequence[Predicted], true_boxes: Sequence[NDArray[np.float32]]) -> float:
    """``top_iou``, averaged over images.

    The authors' code sets the sum of a batch to 0 at an image without any prediction; here such an image counts 0.
    """
    return float(np.mean([top_iou(each.boxes, boxes) for each, boxes in zip(predicted, true_boxes, strict=True)]))


def mask_ap(predicted: Sequence[Predicted], true_masks: Sequence[NDArray[np.bool_]]) -> dict[str, float]:
    """COCO's average precision of masks by pycocotools: ``mask_ap`` (IoU 0.5 to 0.95) and ``mask_ap50``, in [0, 1]."""
    images: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, (said, masks) in enumerate(zip(predicted, true_masks, strict=True)):
        height, width = masks.shape[1:]
        images.append({"id": number, "height": height, "width": width})
        for mask in masks:
            truth.append({"id": len(truth) + 1, "iscrowd": 0, "area": int(mask.sum()), **_annotation(number, mask)})
        for mask, score in zip(said.masks, said.scores, strict=True):
            found.append({"score": float(score), **_annotation(number, mask)})
    if not found:
        return {"mask_ap": 0.0, "mask_ap50": 0.0}
    with redirect_stdout(io.StringIO()):
        reference: Any = COCO()
        reference.dataset = {"info": {}, "images": images, "annotations": truth, "categories": [{"id": DIVER}]}
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"mask_ap": float(evaluation.stats[0]), "mask_ap50": float(evaluation.stats[1])}


def _annotation(image: int, mask: NDArray[np.bool_]) -> dict[str, Any]:
    lengths: Any = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"image_id": image, "category_id": DIVER, "segmentation": lengths}
