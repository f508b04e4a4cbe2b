"""Tables 6 and 7 from the printed predictions, and from trials drawn at random."""

import numpy as np
import pandas as pd
import pytest

from rac_ray.errors import BadInput
from rac_ray.results.tables import Tables
from rac_ray.studies.diving48.attributes import (
    Score,
    attribute_summary,
    attribute_table,
    class_attributes,
    correct_attributes,
    drawn_clips,
    top_table,
)
from rac_ray.studies.diving48.published import ANSWERS, TOP

ROWS = [(label, model) for label, rows in ANSWERS.items() for model in rows]


def tables_of(label: int, more: int = 0) -> Tables:
    """The printed predictions of a class as trials' predictions, with T all wrong, and ``more`` clips besides.

    Logits put the prediction first, and the true class fourth, but seventh on T.
    """
    rows = []
    for model, said in ANSWERS[label].items():
        for target, classes in (("s1", said.s1), ("s2", said.s2), ("t", (0,) * 5)):
            for number, predicted in enumerate([*classes, *([47] * more)]):
                logits = np.full(48, -1.0)
                others = [each for each in range(40, 47) if each not in (predicted, label)]
                logits[others[: 2 if target != "t" else 5]] = 1.0
                logits[label] = 0.5
                logits[predicted] = 2.0
                clip = {"trial_id": model, "target": target, "split": "test", "clip_id": f"clip{number}"}
                rows.append({**clip, "label": label, "predicted": predicted, "logits": logits})
    trials = pd.DataFrame({"trial_id": list(ANSWERS[label]), "model": list(ANSWERS[label]), "experiment": "c"})
    empty = pd.DataFrame(columns=["trial_id"])
    return Tables(trials, empty, empty, pd.DataFrame(rows), empty)


@pytest.mark.parametrize(("label", "model"), ROWS)
def test_the_printed_attributes_follow_from_the_printed_predictions(label: int, model: str) -> None:
    """Eleven of twelve; the twelfth is the paper's slip (facts.md section 5)."""
    said = ANSWERS[label][model]
    found = str(correct_attributes(label, [*said.s1, *said.s2]))
    assert found == ("7/16" if (label, model) == (34, "timesformer") else said.correct_attributes)


def test_right_answers_and_repetitions_do_not_count() -> None:
    """35 is Inward 3.5 NoTwis TUCK, 34 Inward 2.5 NoTwis TUCK: three of four."""
    assert correct_attributes(34, [34, 35, 35]) == Score(3, 4)
    assert correct_attributes(34, [34]) == Score(0, 0)


def test_the_table_has_a_row_per_trial() -> None:
    tables = tables_of(34)
    table = attribute_table(tables, drawn_clips(tables, 34)).set_index("model")
    row = table.loc["convlstm"]
    assert (row["s1"], row["s2"]) == (list(ANSWERS[34]["convlstm"].s1), list(ANSWERS[34]["convlstm"].s2))
    assert (row["wrong"], row["correct"], row["of"], row["share"]) == ([8, 20, 35, 44], 10, 16, 10 / 16)
    assert set(table["experiment"]) == {"c"}


def test_top_1_and_top_5_by_domain() -> None:
    tables = tables_of(34)
    table = top_table(tables, drawn_clips(tables, 34)).set_index(["target", "model"])
    for target in ("s1", "s2", "t"):
        for model, (top1, _) in TOP[target].items():
            row = table.loc[[(target, model)]]
            assert row["top1"].tolist() == pytest.approx([top1])
            assert row["top5"].tolist() == [0 if target == "t" else 1]
    without = Tables(**{**vars(tables), "predictions": tables.predictions.drop(columns="logits")})
    assert set(top_table(without, drawn_clips(tables, 34))["top5"].isna()) == {True}


def test_all_classes_with_the_papers_attributes_beside_them() -> None:
    """Class 34 as printed, and three clips of class 0 that are all taken for class 1: three attributes of four."""
    tables = tables_of(34)
    clips = [("convlstm", target, f"other{number}") for target in ("s1", "s2", "t") for number in range(3)]
    other = pd.DataFrame(clips, columns=["trial_id", "target", "clip_id"])
    logits = [np.eye(48)[1]] * len(other)
    other = other.assign(split="test", label=0, predicted=1, logits=logits)
    tables = Tables(**{**vars(tables), "predictions": pd.concat([tables.predictions, other])})
    table = class_attributes(tables).set_index(["label", "model"])
    row = table.loc[(34, "convlstm")]
    assert (row["correct"], row["of"], row["paper"], row["clips"]) == (10, 16, "10/16", 5)
    assert (row["s1_top1"], row["s2_top1"], row["t_top5"]) == (0.4, 0.4, 0)
    row = table.loc[(0, "convlstm")]
    assert (row["wrong"], row["correct"], row["of"], row["paper"], row["clips"]) == ([1], 3, 4, "", 3)
    rows = attribute_summary(table.reset_index()).set_index("model")
    assert rows.loc["convlstm", "correct attributes"] == f"13/20 = {13 / 20:.3f}"
    assert rows.loc["convlstm", "paper"] == f"43/76 = {43 / 76:.3f}"
    assert rows.loc["convlstm", "classes"] == 2
    assert rows.loc["cnn3d", "classes"] == 1
    assert rows.loc["convlstm", "s1_top1"] == pytest.approx((0.4 + 0) / 2)
    elsewhere = tables.trials.assign(experiment="a")
    assert set(class_attributes(Tables(**{**vars(tables), "trials": elsewhere}))["paper"]) == {""}
    assert class_attributes(Tables(**{**vars(tables), "trials": tables.trials.assign(experiment="")})).empty
    assert attribute_summary(pd.DataFrame()).empty


def test_clips_are_drawn_or_all() -> None:
    tables = tables_of(12, more=20)
    five, all_of_them = drawn_clips(tables, 12), drawn_clips(tables, 12, None)
    assert (len(set(five)), len(all_of_them)) == (5, 25)
    assert drawn_clips(tables, 12) == five
    assert len({tuple(drawn_clips(tables, 12, seed=seed)) for seed in range(9)}) > 5
    assert attribute_table(tables, all_of_them)["s1"].map(len).tolist() == [25] * 3


def test_bad_classes_are_told() -> None:
    tables = tables_of(34)
    with pytest.raises(BadInput, match="class 48 is not one of Diving48's; valid: 0 to 47"):
        drawn_clips(tables, 48)
    with pytest.raises(BadInput, match="class 3 has 0 clips on s1; valid: at least 1"):
        drawn_clips(tables, 3, None)
    with pytest.raises(BadInput, match="class 34 has 5 clips on s1; valid: 6"):
        drawn_clips(tables, 34, 6)
