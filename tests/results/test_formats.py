from collections import Counter
from pathlib import Path

import pandas as pd

from rac_ray.results import formats
from rac_ray.store.entry import added_up, spoken_of
from rac_ray.store.storage import Storage

LONG = pd.DataFrame(
    [
        ("a_1", "x", 0.5, 0.4, 0.6, 5),
        ("a_1", "y", 0.25, 0.2, 0.3, 5),
        ("b", "y", float("nan"), float("nan"), float("nan"), 5),
    ],
    columns=["model", "target", "mean", "low", "high", "seeds"],
)


def shown() -> pd.DataFrame:
    return formats.wide(LONG, ["model"], ["target"], formats.cells(LONG, scale=100, digits=1))


def test_a_wide_table_has_a_column_per_target_in_order() -> None:
    table = shown()
    assert table.columns.tolist() == ["model", "x", "y"]
    assert table.to_numpy().tolist() == [["a_1", "50.0 [40.0, 60.0]", "25.0 [20.0, 30.0]"], ["b", "-", "-"]]


def test_a_mean_of_fewer_than_three_seeds_has_a_mark_and_no_interval() -> None:
    assert formats.cells(LONG.assign(seeds=[2, 3, 1])) == ["0.500*", "0.250 [0.200, 0.300]", "-"]
    assert formats.cells(LONG.assign(seeds=[1, 3, 1]))[0] == "0.500*", "one seed looks no surer than two"


def test_p_values_have_two_digits_that_mean_something() -> None:
    assert [formats.p_in_words(p) for p in (0.0, 0.0009, 0.0012, 0.0456, 0.1234, 1.0)] == [
        "<0.001", "<0.001", "0.001", "0.046", "0.12", "1.00",
    ]  # fmt: skip


def test_markdown_and_latex_begin_with_the_caption() -> None:
    assert formats.markdown(shown(), "Rule: best | val").splitlines() == [
        "Rule: best | val",
        "",
        "| model | x | y |",
        "| --- | --- | --- |",
        "| a_1 | 50.0 [40.0, 60.0] | 25.0 [20.0, 30.0] |",
        "| b | - | - |",
    ]
    text = formats.latex(shown(), "top-1 in % & more")
    assert r"\caption{top-1 in \% \& more}" in text
    assert r"a\_1 & 50.0 [40.0, 60.0] & 25.0 [20.0, 30.0] \\" in text


def test_text_from_records_breaks_no_table() -> None:
    table = pd.DataFrame({"reason": ["a\nb <script>", "p > 0.5 | q"]})
    assert formats.markdown(table, "c").splitlines()[4:] == ["| a b &lt;script> |", r"| p > 0.5 \| q |"]
    assert r"p \textgreater{} 0.5 \textbar{} q \\" in formats.latex(table, "c")


def test_four_files_are_written_and_the_csv_reads_back(tmp_path: Path) -> None:
    files = formats.write(Storage.at(tmp_path), "figure3", LONG, shown(), "chosen by validation")
    assert files == ["figure3.csv", "figure3-wide.csv", "figure3.md", "figure3.tex"]
    assert (tmp_path / files[0]).read_text().startswith("# chosen by validation\n")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / files[0], comment="#"), LONG)


def test_a_terminal_gets_aligned_columns() -> None:
    assert formats.text(shown()).splitlines()[0].split() == ["model", "x", "y"]


def test_a_rare_state_is_spoken_of_where_a_trial_is_in_it() -> None:
    counts = Counter(done=3, pending=1)
    assert added_up(counts) == "3 done + 0 failed + 0 running + 1 pending"
    assert added_up(counts + Counter(unreached=2)) == "3 done + 2 unreached + 0 failed + 0 running + 1 pending"
    assert list(spoken_of(counts)) == ["done", "failed", "running", "pending"]
