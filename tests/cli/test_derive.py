"""A command line from a function's signature: flattened, checked, documented; and put together again."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

import pytest
from cyclopts import App

from rac_ray.cli.derive import Flag, arguments_of, call, command, examples_of, flags_of, of_option
from rac_ray.errors import BadInput
from rac_ray.sweep.options import Option, words


@dataclass(frozen=True)
class Limits:
    """Nested."""

    factor: float = 2.0
    """How much longer."""
    floor: float = field(default=5.0, metadata={"flag": "seconds"})


@dataclass(frozen=True)
class Machine:
    """What runs it."""

    workers: int | None = field(default=None, metadata={"least": 1})
    """Workers of a training."""
    share: int | Literal["auto"] = field(default="auto", metadata={"least": 1})
    address: str | None = field(default=None, metadata={"env": "SOME_ADDRESS"})
    limits: Limits = field(default_factory=Limits, metadata={"prefix": "stall_"})
    verbose: bool = False
    """Says more."""
    names: Sequence[str] | None = field(default=None, metadata={"parse": words})


def verb(study: Any, trial: str, preset: str = "paper", *, machine: Machine, count: int = 3, say: Any = print) -> int:
    """Do it.

    Parameters
    ----------
    trial
        Which one.
    """
    return 0


def run(*arguments: str) -> dict[str, Any]:
    """What the function is called with."""
    called: list[dict[str, Any]] = []

    def act(given: dict[str, Any]) -> int:
        called.append(arguments_of(verb, given))
        return 7

    app = App(name="program", version_flags=[])
    command(app, "verb", "Do it.", flags_of(verb), act)
    assert call(app, ["verb", *arguments]) == 7
    return called[0]


def test_flags_are_the_signatures() -> None:
    flags = {flag.name: flag for flag in flags_of(verb)}
    assert list(flags) == [
        "trial", "preset", "workers", "share", "address", "stall_factor", "stall_seconds", "verbose", "names",
        "count",
    ]  # fmt: skip
    assert (flags["trial"].default, flags["trial"].positional) == (MISSING, True)
    assert flags["trial"].help == "Which one."
    assert flags["workers"].help == "Workers of a training."
    assert flags["stall_factor"].help == "How much longer."
    assert "stall_factor" not in {flag.name for flag in flags_of(verb, omit=("stall_factor",))}


def of_many(folders: list[str], *, to: str = "here", switch: bool = False) -> int:
    """Do it to all.

    Parameters
    ----------
    folders
        One or several.
    """
    return 0


def test_an_argument_of_many_words_takes_all_that_are_left() -> None:
    given: list[dict[str, Any]] = []
    app = App(name="program", version_flags=[])
    command(app, "verb", "Do it to all.", flags_of(of_many), lambda values: given.append(values) or 0)
    for typed in (["s3://a/b"], ["a", "--switch", "b", "--to", "there", "c"]):
        call(app, ["verb", *typed])
    assert given == [
        {"folders": ["s3://a/b"], "to": "here", "switch": False},
        {"folders": ["a", "b", "c"], "to": "there", "switch": True},
    ]
    with pytest.raises(BadInput, match=r"^folders is required; see --help$"):
        call(app, ["verb", "--switch"])


def test_values_reach_the_function() -> None:
    assert run("a1") == {"trial": "a1", "preset": "paper", "machine": Machine(), "count": 3}
    found = run(
        "a1", "--workers", "2", "--share=4", "--stall-seconds", "9", "--verbose", "--preset", "demo", "--count", "0",
        "--names", "a, b",
    )  # fmt: skip
    machine = Machine(2, 4, None, Limits(2.0, 9.0), True, ["a", "b"])
    assert found == {"trial": "a1", "preset": "demo", "machine": machine, "count": 0}


def test_a_default_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_ADDRESS", "here")
    assert run("a1")["machine"].address == "here"
    assert run("a1", "--address", "there")["machine"].address == "there"
    monkeypatch.setenv("SOME_ADDRESS", "")
    assert run("a1")["machine"].address is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a1", "--workers", "0"], "--workers is 0; valid: 1 or more"),
        (["a1", "--workers", "6_1"], "--workers '6_1' is not an integer"),
        (["a1", "--share", "much"], "--share 'much' is not an integer"),
        (["a1", "--stall-factor", "-1"], "--stall-factor is -1; valid: 0 or more"),
        (["a1", "--stall-factor", "soon"], "--stall-factor 'soon' is not a number"),
        (["a1", "--nonsense"], "unknown option: --nonsense; see --help"),
        (["a1", "b2"], "unrecognized arguments: b2; see --help"),
        ([], "trial is required; see --help"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(BadInput) as error:
        run(*arguments)
    assert str(error.value) == sentence


def test_help_shows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    app = App(name="program", version_flags=[])
    command(app, "verb", "Do it.", [*flags_of(verb), Flag("more", bool, False, "One more.")], lambda _given: 0)
    call(app, ["verb", "--help"])
    text = capsys.readouterr().out
    for shown in (
        "TRIAL",
        "--workers",
        "Workers of a training.",
        "--stall-seconds",
        "--more",
        "One more.",
        "[default: paper]",
    ):
        assert shown in text


def test_an_option_that_may_be_given_several_times_gets_all_texts() -> None:
    found: list[Any] = []
    app = App(name="program", version_flags=[])
    flag = of_option(Option("tune", lambda text: text.split(";"), "Fields.", repeated=True))
    command(app, "verb", "Do it.", [flag], lambda given: found.append(given["tune"]) or 0)
    for arguments in (["--tune", "a=1|2", "--tune", "b=log(1,2)"], ["--tune", "a=1|2;c=3"], []):
        call(app, ["verb", *arguments])
    assert found == [["a=1|2", "b=log(1,2)"], ["a=1|2", "c=3"], None]


def test_rare_options_are_left_to_the_long_help(capsys: pytest.CaptureFixture[str]) -> None:
    flags = [
        Flag("preset", str, "paper", "Which."),
        Flag("warm_up", str, "", "Epochs.", heading="Recipe", rare=True),
        Flag("seeds", str, "", "Some.", heading="Grid"),
    ]

    def said(full: bool, flag: str) -> list[str]:
        app = App(name="program", version_flags=[], help_format="plaintext")
        command(app, "verb", "Do it.", flags, lambda _given: 0, examples=["program verb", "program verb a"], full=full)
        call(app, ["verb", flag])
        return [line.strip("│╭╮╰╯─ ") for line in capsys.readouterr().out.splitlines() if line.strip("│╭╮╰╯─ ")]

    start, examples = ["Usage: program verb [OPTIONS]", "Do it."], ["Examples:", "program verb", "program verb a"]
    options = ["--preset STR  Which. [default: paper]", "--seeds STR   Some."]
    assert said(False, "--help") == [*start, "Options", *options, *examples, "1 more option: --help-all"]
    grouped = ["Options", options[0], "Recipe", "--warm-up STR  Epochs.", "Grid", "--seeds STR  Some."]
    assert said(True, "--help-all") == [*start, *grouped, *examples]


def test_an_interrupted_command_is_told_by_its_caller() -> None:
    """cyclopts would end the process without a word."""

    def act(_given: dict[str, Any]) -> int:
        raise KeyboardInterrupt

    app = App(name="program", version_flags=[])
    command(app, "verb", "Do it.", [], act)
    with pytest.raises(KeyboardInterrupt):
        call(app, ["verb"])


def test_examples_come_from_the_docstring() -> None:
    def act() -> None:
        """Do it.

        Examples
        --------
        program act
        program act --more
        """

    assert examples_of(act) == ["program act", "program act --more"]
    assert examples_of(run) == []
