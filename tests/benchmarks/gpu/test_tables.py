from benchmarks.gpu.tables import equal, of, shown, table, yes


def test_a_table_has_a_head_and_a_line_for_each_row() -> None:
    assert table(["model", "h"], [["cnn3d", "8"]]) == "| model | h |\n| --- | --- |\n| cnn3d | 8 |"


def test_cells() -> None:
    assert (shown(None), shown(0.00123), shown(1234.5, ",.0f")) == ("-", "1.2e-03", "1,234")
    assert (yes(True), yes(False), equal(True), equal(False)) == ("yes", "no", "equal", "differs")


def test_rows_of_a_section_without_errors_that_have_the_values() -> None:
    key = {"section": "fits", "kind": "graphs"}
    rows = [{**key, "n": 1}, {**key, "n": 2, "error": "no"}, {**key, "kind": "resume"}, {**key, "section": "speed"}]
    assert of(rows, "fits", kind="graphs") == [rows[0]]
