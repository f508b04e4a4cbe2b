"""Tables 6 and 7 from the printed predictions, and from trials drawn at random."""

import numpy as np
import pandas as pd
import pytest

from rac_ray.errors import BadInput
from rac_ray.results.attributes import Score, attribute_table, clips_of, correct_attributes, top_table
from rac_ray.results.published import ANSWERS, TOP
from rac_ray.results.tables import Tables

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
    table = attribute_table(tables, clips_of(tables, 34)).set_index("model")
    row = table.loc["convlstm"]
    assert (row["s1"], row["s2"]) == (list(ANSWERS[34]["convlstm"].s1), list(ANSWERS[34]["convlstm"].s2))
    assert (row["wrong"], row["correct"], row["of"], row["share"]) == ([8, 20, 35, 44], 10, 16, 10 / 16)
    assert set(table["experiment"]) == {"c"}


def test_top_1_and_top_5_by_domain() -> None:
    tables = tables_of(34)
    table = top_table(tables, clips_of(tables, 34)).set_index(["target", "model"])
    for target in ("s1", "s2", "t"):
        for model, (top1, _) in TOP[target].items():
            row = table.loc[[(target, model)]]
            assert row["top1"].tolist() == pytest.approx([top1])
            assert row["top5"].tolist() == [0 if target == "t" else 1]
    without = Tables(**{**vars(tables), "predictions": tables.predictions.drop(columns="logits")})
    assert set(top_table(without, clips_of(tables, 34))["top5"].isna()) == {True}


def test_clips_are_drawn_or_all() -> None:
    tables = tables_of(12, more=20)
    five, all_of_them = clips_of(tables, 12), clips_of(tables, 12, None)
    assert (len(set(five)), len(all_of_them)) == (5, 25)
    assert clips_of(tables, 12) == five
    assert len({tuple(clips_of(tables, 12, seed=seed)) for seed in range(9)}) > 5
    assert attribute_table(tables, all_of_them)["s1"].map(len).tolist() == [25] * 3


def test_bad_classes_are_told() -> None:
    tables = tables_of(34)
    with pytest.raises(BadInput, match="class 48 is not one of Diving48's; valid: 0 to 47"):
        clips_of(tables, 48)
    with pytest.raises(BadInput, match="class 3 has 0 clips on s1; valid: at least 1"):
        clips_of(tables, 3, None)
    with pytest.raises(BadInput, match="class 34 has 5 clips on s1; valid: 6"):
        clips_of(tables, 34, 6)
