"""What goes into a report: rows, names, colours and cells as plain values for JSON."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rac_ray.models import MODELS
from rac_ray.results import Tables
from rac_ray.results.looks import LOOKS, look_of
from rac_ray.results.report_data import LISTED, OTHER_COLOURS, SYMBOLS, TRACEBACK_CHARACTERS, payload
from rac_ray.results.sections import Section, plain
from rac_ray.studies.temporal_shape.results import shape_names
from tests.results.many_trials import sweep, without_results


@pytest.fixture(scope="module")
def tables() -> Tables:
    return sweep()


def numbered(classes: int) -> list[str]:
    return [str(number) for number in range(classes)]


def payload_of(
    tables: Tables, sections: Sequence[Section] = (), class_names: Callable[[int], list[str]] = numbered
) -> dict[str, Any]:
    """Without clips; as JSON gives it back."""
    whole = payload(tables, "A sweep", sections, None, None, class_names)
    return json.loads(json.dumps(whole, allow_nan=False))


def test_every_trial_has_a_row_with_its_figures(tables: Tables) -> None:
    shown = payload_of(tables)
    assert (shown["title"], shown["stamp"], shown["refreshSeconds"]) == ("A sweep", tables.stamp, None)
    assert shown["states"] == {"done": 12, "failed": 2, "running": 1, "pending": 1}
    assert shown["paperPrints"] is False
    labels = [column["label"] for column in shown["trials"]["columns"]]
    assert labels == [
        "trial", "state", "model", "hidden units", "source", "seed", "best validation %", "parameters", "best epoch",
        "5dot accuracy %", "mnist accuracy %", "mnist_bg accuracy %", "5dot robustness ratio",
        "mnist robustness ratio", "mnist_bg robustness ratio", "seconds", "reason",
    ]  # fmt: skip
    rows = shown["trials"]["rows"]
    assert [row[0] for row in rows] == tables.trials["trial_id"].tolist()
    first = tables.evaluations.query("trial_id == '000000000000' and target == 'mnist'").iloc[0]
    assert rows[0][:6] == ["000000000000", "done", "convlstm", 2, "2dot", 42]
    assert rows[0][7:9] == [1573, 4], "epochs count from 1"
    assert [column["first"] for column in shown["trials"]["columns"]] == [True] * 7 + [False] * 10
    assert rows[0][10] == pytest.approx(first["top1"])
    assert rows[0][13] == pytest.approx(first["robustness_ratio"], rel=1e-5)
    assert rows[-1][1:6] == ["pending", "timesformer8", 4, "2dot", 61]
    assert rows[-1][6:] == [None] * 10 + ["has not run"]


def test_a_trial_page_has_recipe_record_curves_and_confusion(tables: Tables) -> None:
    shown = payload_of(tables)
    details = shown["details"]
    values = dict(zip(details["recipe"] + details["record"], details["rows"]["000000000000"], strict=True))
    assert (values["learning_rate"], values["patience"], values["commit"]) == (0.001, 10, "0123456789ab")
    assert shown["epochs"]["000000000000"]["epoch"] == [0, 1, 2, 3, 4, 5]
    assert len(shown["epochs"]["000000000000"]["train_loss"]) == 6
    own = tables.predictions.query("trial_id == '000000000000' and target == 'mnist'")
    expected = np.zeros((5, 5), int)
    np.add.at(expected, (own["label"], own["predicted"]), 1)
    evaluation = next(each for each in shown["evaluations"]["000000000000"] if each["target"] == "mnist")
    assert evaluation["confusion"] == expected.tolist()
    assert evaluation["correct"] == np.trace(expected)
    assert shown["labels"] == ["0", "1", "2", "3", "4"]
    assert payload_of(tables, class_names=shape_names)["labels"][1] == "spiral"


def test_provenance_lists_distinct_values(tables: Tables) -> None:
    trials = tables.trials.copy()
    trials.loc[0, "host"] = "there"
    shown = payload_of(replace(tables, trials=trials))
    made = {each["label"]: each["values"] for each in shown["provenance"]}
    assert made["hosts"] == [["here", 11], ["there", 1]]
    assert made["about the data"] == [["digits=optdigits", 16]]
    assert made["git commit"] == [["0123456789ab", 12]]


def test_tables_of_sections_keep_a_named_index(tables: Tables) -> None:
    wide = tables.evaluations.pivot_table("top1", "model", ["target", "split"], sort=False)
    table = payload_of(tables, sections=[Section("Means", "", wide)])["sections"][0]["table"]
    assert table["columns"][:2] == ["model", "2dot val"]
    assert {row[0] for row in table["rows"]} == set(tables.evaluations["model"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (pd.NA, None),
        (math.nan, None),
        (math.inf, None),
        (np.float32(0.5), 0.5),
        (0.123456789, 0.123457),
        (2.0, 2),
        (-3.0, -3),
        (1e300, 1e300),
        (np.int64(2**40), 2**40),
        (True, True),
        (np.bool_(False), False),
        ("token=hunter2", "token=***"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_cells_are_what_json_holds(value: Any, expected: Any) -> None:
    found = plain(value)
    assert (found, type(found)) == (expected, type(expected))


def test_of_many_values_some_are_listed_and_the_others_counted(tables: Tables) -> None:
    hosts = [f"node{number:02d}" for number in range(len(tables.trials))]
    shown = payload_of(replace(tables, trials=tables.trials.assign(host=hosts)))
    (made,) = [each for each in shown["provenance"] if each["label"] == "hosts"]
    assert made["values"] == [[host, 1] for host in hosts[:LISTED]]
    assert made["more"] == len(hosts) - LISTED


def shown_models(tables: Tables, *names: str) -> dict[str, dict[str, str]]:
    models = ["cnn3d", *names, *["cnn3d"] * (len(tables.trials) - 1 - len(names))]
    return payload_of(replace(tables, trials=tables.trials.assign(model=models)))["models"]


def test_models_without_a_look_get_one_of_the_spare_colours(tables: Tables) -> None:
    """In turn, and again from the beginning when there are none left."""
    names = [f"own{number}" for number in range(len(OTHER_COLOURS) + 1)]
    shown = shown_models(tables, *names)
    assert list(shown) == ["cnn3d", *names]
    assert shown["cnn3d"]["name"] == "3D CNN"
    assert [shown[name]["colour"] for name in names] == [*OTHER_COLOURS, OTHER_COLOURS[0]]


def test_a_spare_colour_is_none_that_another_model_has(tables: Tables) -> None:
    shown = shown_models(tables, "convgru", "own", "bag", "mine", "yours")
    colours = {model: look["colour"] for model, look in shown.items()}
    assert (colours["convgru"], colours["bag"]) == ("#CC79A7", "#999999")
    assert (colours["own"], colours["mine"], colours["yours"]) == ("#E69F00", "#F0E442", "#E69F00")


def test_where_all_colours_are_taken_they_are_given_again(tables: Tables) -> None:
    shown = shown_models(tables, "own", *(name for name in LOOKS if name != "cnn3d"))
    assert shown["own"]["colour"] == OTHER_COLOURS[0]


def test_every_marker_has_a_symbol_of_its_own() -> None:
    looks = {model: look_of(model) for model in [*MODELS, "mine"]}
    assert len({SYMBOLS[look.marker] for look in looks.values()}) == len(looks)
    assert len({look.color for look in looks.values()}) == len(looks)


def test_two_splits_of_a_target_are_told_apart(tables: Tables) -> None:
    paired = tables.evaluations.query("target == 'mnist'").assign(split="paired", top1=0.25)
    both = replace(tables, evaluations=pd.concat([tables.evaluations, paired], ignore_index=True))
    shown = payload_of(both)["trials"]
    labels = [each["label"] for each in shown["columns"]]
    names = [label.removesuffix(" accuracy %") for label in labels if label.endswith(" accuracy %")]
    assert names == ["5dot", "mnist test", "mnist_bg", "mnist paired"]
    column = labels.index("mnist paired accuracy %")
    assert [row[column] for row in shown["rows"]] == [0.25] * 12 + [None] * 4


def test_what_tells_trials_apart_is_a_column_where_there_is_some(tables: Tables) -> None:
    sized = tables.trials.assign(size=["small", *[""] * (len(tables.trials) - 1)])
    shown = payload_of(replace(tables, trials=sized))["trials"]
    assert [each["label"] for each in shown["columns"]][6:9] == ["best validation %", "size", "parameters"]
    assert [row[7] for row in shown["rows"]][:2] == ["small", ""]


def test_trials_that_never_learned_have_no_ratios(tables: Tables) -> None:
    learned = [False, True, *[None] * (len(tables.trials) - 2)]
    shown = payload_of(replace(tables, trials=tables.trials.assign(learned=learned)))["trials"]
    ratios = [number for number, each in enumerate(shown["columns"]) if each["label"].endswith(" ratio")]
    assert [[row[number] is None for number in ratios] for row in shown["rows"][:3]] == [
        [True] * 3, [False] * 3, [False] * 3,
    ]  # fmt: skip


def test_failures_are_those_of_all_trials_that_their_training_serves(tables: Tables) -> None:
    """Failures have a training's id, and the trials of several levels have ids of their own."""
    failed = tables.failures["trial_id"].iloc[0]
    at = tables.trials["trial_id"] == failed
    levels = [tables.trials[at].assign(trial_id=each, training_id=failed) for each in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")]
    trials = pd.concat([tables.trials[~at].assign(training_id=tables.trials["trial_id"]), *levels], ignore_index=True)
    (first, *_) = payload_of(replace(tables, trials=trials))["failures"]
    assert (first["trial_id"], first["trials"]) == (failed, ["aaaaaaaaaaaa", "bbbbbbbbbbbb"])


def test_of_a_long_traceback_the_end_is_kept(tables: Tables) -> None:
    texts = ["", "x" * TRACEBACK_CHARACTERS, "y" * TRACEBACK_CHARACTERS + "end"]
    shown = payload_of(replace(tables, failures=tables.failures.assign(traceback=texts)))["failures"]
    assert [row["traceback"] for row in shown] == [
        "",
        texts[1],
        "[...]\n" + "y" * (TRACEBACK_CHARACTERS - 3) + "end",
    ]


def test_predictions_without_classes_have_no_confusion(tables: Tables) -> None:
    shown = payload_of(replace(tables, predictions=tables.predictions.drop(columns=["predicted", "logits"])))
    evaluations = [each for rows in shown["evaluations"].values() for each in rows]
    assert len(evaluations) == len(tables.evaluations)
    assert not any({"confusion", "mistaken"} & set(each) for each in evaluations)


def test_before_any_trial_has_finished_there_are_rows_and_nothing_else(tables: Tables) -> None:
    shown = payload_of(replace(without_results(tables), trials=without_results(tables).trials.assign(classes=None)))
    assert (shown["labels"], shown["evaluations"], shown["epochs"], shown["mistakes"]) == ([], {}, {}, {})
    assert len(shown["trials"]["rows"]) == len(shown["details"]["rows"]) == 16
