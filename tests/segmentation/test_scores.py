import numpy as np
import pytest
from numpy.typing import NDArray

from rac_ray.segmentation.scores import Predicted, box_iou, mask_ap, top_iou, val_iou_boxes

TRUE = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros((64, 80), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def said(masks: list[NDArray[np.bool_]], scores: list[float]) -> Predicted:
    boxes = np.zeros((len(masks), 4), np.float32)
    return Predicted(boxes, np.array(scores, np.float32), np.array(masks, bool).reshape(-1, 64, 80))


def test_box_iou_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 5, 5], [20, 20, 30, 30], [5, 5, 5, 5]], np.float32)
    assert box_iou(boxes, TRUE[0]).tolist() == pytest.approx([1, 50 / 150, 25 / 100, 0, 0])


def test_only_the_first_true_box_and_the_best_tenth_count() -> None:
    exact, third = [0, 0, 10, 10], [5, 0, 15, 10]
    assert top_iou(np.array([TRUE[1]]), TRUE) == 0.0
    assert top_iou(np.array([third] * 8 + [exact], np.float32), TRUE) == 1.0
    assert top_iou(np.array([third] * 18 + [exact], np.float32), TRUE) == 1.0
    assert top_iou(np.array([third] * 19 + [exact], np.float32), TRUE) == pytest.approx((1 + 1 / 3) / 2)
    assert top_iou(np.zeros((0, 4), np.float32), TRUE) == 0.0


def test_an_image_without_predictions_counts_zero() -> None:
    perfect = Predicted(TRUE[:1], np.ones(1, np.float32), np.zeros((1, 64, 80), bool))
    assert val_iou_boxes([perfect, said([], []), perfect, perfect], [TRUE] * 4) == 0.75


def test_average_precision_of_perfect_and_of_no_predictions() -> None:
    divers = [rectangle(0, 0, 10, 20), rectangle(30, 30, 50, 45)]
    truth = [np.array(divers), np.array(divers[:1])]
    perfect = [said(divers, [0.9, 0.8]), said(divers[:1], [0.7])]
    assert mask_ap(perfect, truth) == pytest.approx({"mask_ap": 1.0, "mask_ap50": 1.0})
    assert mask_ap([said([], [])] * 2, truth) == {"mask_ap": 0.0, "mask_ap50": 0.0}
    assert mask_ap([said([], []), perfect[1]], truth)["mask_ap"] == pytest.approx(34 / 101)


def test_half_good_masks_count_at_low_thresholds_only(capsys: pytest.CaptureFixture[str]) -> None:
    found = mask_ap([said([rectangle(0, 0, 10, 12)], [0.9])], [np.array([rectangle(0, 0, 10, 20)])])
    assert found == pytest.approx({"mask_ap": 0.3, "mask_ap50": 1.0})
    assert capsys.readouterr().out == ""
