"""What a terminal gets of a sweep: accuracy beside chance, no line too wide."""

from pathlib import Path

import pandas as pd
import pytest

from rac_ray.results.analysis import Analysis
from rac_ray.results.on_terminal import WIDEST, fitted, near, printed_tables
from tests.results.studies import SHAPES
from tests.results.synthetic import sweep, unasked

MODELS = ("cnn3d", "convlstm")


def test_accuracy_is_in_whole_percent_beside_chance() -> None:
    tables = sweep(lambda *_: 0.6, models=MODELS, sizes=(2,), seeds=(0, 1, 2), between_seeds=0.0)
    _, title, above, names, first, second = printed_tables(Analysis(tables, SHAPES))
    assert title == "Trained on 2dot: accuracy in % [95% interval over seeds and clips]; chance is 20%"
    assert above.split() == ["2dot"]
    assert names.split() == [
        "model", "learned", "validation", "2dot", "test", "5dot", "mnist", "mnist_bg", "mnist_bg_half",
    ]  # fmt: skip
    accuracy = {
        model: tables.evaluations.query(f"model == '{model}' and target == '5dot'")["top1"].mean() for model in MODELS
    }
    assert first.split()[:4] == ["3D", "CNN", "3", "of"]
    assert f"{100 * accuracy['cnn3d']:.0f} [" in first
    assert f"{100 * accuracy['convlstm']:.0f} [" in second


def test_of_too_few_seeds_there_is_no_interval() -> None:
    tables = sweep(lambda *_: 0.6, models=("cnn3d",), sizes=(2,), seeds=(0,))
    lines = printed_tables(Analysis(tables, SHAPES))
    assert " ".join(lines[1:3]).endswith("clips; * too few seeds for an interval]; chance is 20%")
    assert lines[-1].count("*") == 6
    assert "[" not in lines[-1]


def test_a_model_of_which_not_all_trials_were_asked_has_one_row_and_a_mark() -> None:
    tables = sweep(lambda *_: 0.6, models=MODELS, sizes=(2,), seeds=(0, 1, 2))
    part = unasked(tables, "mnist_bg_half/test", "model == 'cnn3d' and seed != 0")
    lines = printed_tables(Analysis(part, SHAPES))
    title = " ".join(lines[1:4])
    assert "chance is 20%; not all trials were asked about everything (mnist_bg_half: 3D CNN 1 of 3)" in title
    assert "* too few seeds for an interval" in title
    first, second = lines[-2:]
    top1 = part.evaluations.query("model == 'cnn3d' and target == 'mnist_bg_half'")["top1"].item()
    assert first.split()[:5] == ["3D", "CNN", "3", "of", "3"]
    assert first.split()[-1] == f"{100 * top1:.0f}*"
    assert first.count("[") == 5
    assert second.count("[") == 6


@pytest.mark.parametrize("columns", [2, 9])
def test_what_is_too_wide_goes_on_below_beside_its_keys(columns: int) -> None:
    table = pd.DataFrame(
        {"experiment": ["a"], "model": ["3D CNN"], **{f"a long name {n}": ["x" * 18] for n in range(columns)}}
    )
    lines = fitted(table)
    assert max(map(len, lines)) <= WIDEST
    assert sum(line.split()[:3] == ["a", "3D", "CNN"] for line in lines) == (1 if columns == 2 else 3)
    assert " ".join(lines).count("x" * 18) == columns


def test_headings_take_several_lines() -> None:
    table = pd.DataFrame({"model": ["A", "BB"], "2Dot validation": ["1", "12"]})
    assert fitted(table) == ["             2Dot", "model  validation", "A               1", "BB             12"]


def test_a_path_is_said_as_it_would_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert near(f"{tmp_path}/results/a page.html") == "'results/a page.html'"
    assert near("/elsewhere/page.html") == "/elsewhere/page.html"
    assert near("s3://bucket/page.html") == "s3://bucket/page.html"
