import pytest

from rac_ray.store.visible import visible


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
