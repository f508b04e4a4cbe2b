from benchmarks.gpu.report import errors, report


def test_a_report_of_nothing_has_its_headings_and_no_failures() -> None:
    text = report({"card": "none"}, [{"name": "fits", "outcome": "dropped", "seconds": 0.0}], [], [])
    assert "| fits | dropped | 0 |" in text
    assert "## Seeds as one model" in text
    assert "## Price of the study" in text
    assert "## Failed" not in text


def test_a_failed_row_is_named_by_what_it_measured() -> None:
    key = {"section": "speed", "model": "convlstm", "hidden_units": 48, "side": "stacked", "seeds": 5, "ms": 3.0}
    rows = [key, {**key, "error": "OutOfMemoryError: 55 GB", "traceback": "..."}]
    expected = "- speed: model convlstm, hidden_units 48, side stacked, seeds 5: OutOfMemoryError: 55 GB"
    assert errors(rows) == expected
    assert "## Failed\n\n" + expected in report({}, [], rows, [])
