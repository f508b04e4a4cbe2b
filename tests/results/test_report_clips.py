"""Which misclassified clips a report shows, and the clips as animations."""

import base64
import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from rac_ray.errors import BadInput
from rac_ray.results import Tables
from rac_ray.results.report_clips import (
    FIRST_CLIPS,
    MILLISECONDS,
    Mistakes,
    animations,
    domain_clips,
    worst_mistakes,
)
from tests.results.many_trials import frames_of, sweep


@pytest.fixture(scope="module")
def tables() -> Tables:
    return sweep()


def predictions_of(rows: Sequence[tuple[str, int, Sequence[float]]], target: str = "mnist") -> pd.DataFrame:
    """Of trial ``a``: clip, true class, logits; the predicted class is the largest."""
    return pd.DataFrame(
        {
            "trial_id": "a",
            "target": target,
            "split": "test",
            "clip_id": [f"{target}/test/{clip}" for clip, _, _ in rows],
            "label": [label for _, label, _ in rows],
            "predicted": [int(np.argmax(logits)) for _, _, logits in rows],
            "logits": [np.array(logits, np.float32) for _, _, logits in rows],
        }
    )


EVALUATED = pd.DataFrame(
    [["a", "mnist", "test", "target"], ["a", "2dot", "test", "source_test"]],
    columns=["trial_id", "target", "split", "role"],
)


def mistakes_of(*clip_ids: str) -> Mistakes:
    row = {"label": 0, "predicted": 1, "confidence": 0.5}
    return {trial: {"mnist/test": [{"clip": clip_id, **row} for clip_id in clip_ids]} for trial in ("a", "b")}


def opened(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def test_the_worst_mistakes_of_the_first_clips_are_shown_and_embedded_once(tables: Tables) -> None:
    mistakes = worst_mistakes(tables.predictions, tables.evaluations)
    worst = mistakes["000000000000"]
    assert set(worst) == {"5dot/test", "mnist/test", "mnist_bg/test"}
    assert all(len(rows) == 3 for rows in worst.values())
    wrong = "target == 'mnist' and label != predicted and clip_id < 'mnist/test/000040'"
    own = tables.predictions.query(f"trial_id == '000000000000' and {wrong}")
    logits = np.stack(own["logits"].to_list()).astype(float)
    softmax = np.exp(logits).max(axis=1) / np.exp(logits).sum(axis=1)
    best = own["clip_id"].to_numpy()[np.argsort(-softmax)[:3]]
    assert [row["clip"] for row in worst["mnist/test"]] == best.tolist()
    assert worst["mnist/test"][0]["confidence"] == pytest.approx(softmax.max(), abs=1e-4)
    named = {row["clip"] for sets in mistakes.values() for rows in sets.values() for row in rows}
    assert set(animations(mistakes, frames_of)[0]) == named
    assert len(named) <= 3 * 40


def test_the_most_confident_come_first_and_ties_by_clip() -> None:
    """Right answers, source sets and more than three are left out; the confidence is the softmax's."""
    wrong = [("3", 0, [0, 2]), ("1", 0, [0, 1]), ("2", 0, [0, 2]), ("0", 0, [0, 9]), ("4", 1, [0, 9])]
    said = pd.concat([predictions_of(wrong), predictions_of([("0", 0, [0, 9])], "2dot")])
    shown = worst_mistakes(said, EVALUATED)
    assert list(shown) == ["a"]
    assert list(shown["a"]) == ["mnist/test"]
    assert [(row["clip"], row["label"], row["predicted"]) for row in shown["a"]["mnist/test"]] == [
        (f"mnist/test/{clip}", 0, 1) for clip in ("0", "2", "3")
    ]
    expected = [1 / (1 + np.exp(-9)), *[1 / (1 + np.exp(-2))] * 2]
    assert [row["confidence"] for row in shown["a"]["mnist/test"]] == pytest.approx(expected, abs=1e-4)


def test_large_logits_do_not_overflow() -> None:
    (row,) = worst_mistakes(predictions_of([("0", 0, [900, 1000])]), EVALUATED)["a"]["mnist/test"]
    assert row["confidence"] == 1.0


def test_only_the_first_clips_of_a_set_are_candidates() -> None:
    clips = [(f"{number:06d}", 0, [0.0, 0.1 + 0.1 * number]) for number in range(FIRST_CLIPS + 5)]
    shown = worst_mistakes(predictions_of(clips), EVALUATED)["a"]["mnist/test"]
    assert [row["clip"][-6:] for row in shown] == ["000039", "000038", "000037"]


@pytest.mark.parametrize("lacking", [["logits"], ["predicted"], ["predicted", "logits"]])
def test_predictions_of_earlier_versions_show_no_clips(lacking: list[str]) -> None:
    said = predictions_of([("0", 0, [0, 1])])
    assert worst_mistakes(said.drop(columns=lacking), EVALUATED) == {}


def test_without_a_mistake_nothing_is_shown() -> None:
    assert worst_mistakes(predictions_of([("0", 1, [0, 1])]), EVALUATED) == {}
    assert worst_mistakes(predictions_of([("0", 0, [0, 1])]), EVALUATED.iloc[1:]) == {}
    assert animations({}, frames_of) == ({}, {})


def test_each_clip_is_rendered_once_however_many_trials_show_it() -> None:
    asked: list[str] = []

    def source(clip_id: str) -> NDArray[np.uint8]:
        asked.append(clip_id)
        return frames_of(clip_id)

    assert list(animations(mistakes_of("b", "a"), source)[0]) == ["a", "b"]
    assert asked == ["a", "b"]


def test_a_clip_is_an_animation_of_its_frames() -> None:
    (encoded,) = animations(mistakes_of("mnist/test/000003"), frames_of)[0].values()
    image = opened(encoded)
    assert (image.format, image.size, getattr(image, "n_frames", 1)) == ("GIF", (64, 64), 20)
    image.seek(7)
    np.testing.assert_allclose(np.asarray(image.convert("L"), int), frames_of("mnist/test/000003")[7], atol=8)


def test_black_and_white_stay_what_they_are_and_colours_too() -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[0, :4] = 255
    frames[1, :, :4] = (255, 0, 0)
    (encoded,) = animations(mistakes_of("a"), lambda _clip_id: frames)[0].values()
    image = opened(encoded)
    assert image.info["duration"] == MILLISECONDS
    for number, frame in enumerate(frames):
        image.seek(number)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), frame)


def test_each_domain_has_one_clip_of_the_same_class(tables: Tables) -> None:
    """Labels are 0 to 4 in turn; of a domain whose clips cannot be had there is none."""
    asked: list[str] = []

    def some(clip_id: str) -> NDArray[np.uint8]:
        asked.append(clip_id)
        if clip_id.startswith("mnist/"):
            raise BadInput("the folder is gone")
        return frames_of(clip_id)

    shown = domain_clips(tables.predictions, tables.evaluations, some)
    assert list(shown) == ["2dot", "5dot", "mnist_bg"]
    assert asked == ["2dot/test/000000", "5dot/test/000000", "mnist/test/000000", "mnist_bg/test/000000"]
    said = pd.concat([predictions_of([("0", 1, [0, 1]), ("1", 0, [0, 1])], name) for name in ("2dot", "mnist")])
    mixed = said.assign(label=[1, 0, 0, 1])
    asked.clear()
    domain_clips(mixed, EVALUATED, some)
    assert asked == ["2dot/test/0", "mnist/test/1"]
    assert opened(shown["5dot"]).format == "GIF"
