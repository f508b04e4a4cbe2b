from contextlib import suppress
from pathlib import Path

from benchmarks.gpu.rows import append, read, tried


def fails() -> dict[str, float]:
    raise ZeroDivisionError("one\nover nothing")


def test_a_row_that_fails_says_why_and_the_next_follows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, "speed", (tried({"number": number}, measure) for number, measure in enumerate([fails, lambda: {}])))
    failed, other = read(path)
    assert (failed["section"], failed["number"], failed["error"]) == ("speed", 0, "ZeroDivisionError: one over nothing")
    assert "in fails" in failed["traceback"]
    assert other == {"section": "speed", "number": 1}


def test_no_row_is_lost_when_a_section_breaks_later(tmp_path: Path) -> None:
    def rows():
        yield {"number": 1}
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        append(tmp_path / "rows.jsonl", "fits", rows())
    assert list(read(tmp_path / "rows.jsonl")) == [{"section": "fits", "number": 1}]
    assert list(read(tmp_path / "none")) == []
