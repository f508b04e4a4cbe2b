import pytest

from rac_ray.store.visible import in_one_line, shortened, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\ttwo\nthree", "one\ttwo\nthree"),
        ("\x1b]0;PWNED\x07\x1b[2Jgone", r"\x1b]0;PWNED\x07\x1b[2Jgone"),
        ("\x9b31m over\rwritten\x7f", r"\x9b31m over\rwritten\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("Broomé, 日本, 🙂", "Broomé, 日本, 🙂"),
    ],
)
def test_commands_to_a_terminal_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_other_libraries_say_is_one_line() -> None:
    assert in_one_line("No match for Field:\n  child:\n\nin schema  x\n") == "No match for Field: child: in schema  x"


def test_a_value_of_very_many_letters_is_told_by_its_beginning() -> None:
    assert shortened(f"unknown model {'x' * 100_000}; valid: cnn3d") == (
        f"unknown model {'x' * 100}... (100001 letters) valid: cnn3d"
    )
    assert shortened("a/path/" * 140) == "a/path/" * 140
