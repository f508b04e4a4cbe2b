"""Help of a sweep's verbs: one screen, examples that can be typed, everything under a heading with ``--help-all``."""

import re
import shlex
from dataclasses import fields
from typing import Any

import pytest
from cyclopts import App

from rac_ray.cli import sweep_main
from rac_ray.cli.derive import call, command
from rac_ray.cli.headings import HEADINGS, RARE, RARE_HEADINGS, under_heading
from rac_ray.cli.sweep import VERBS
from rac_ray.studies.study import Study
from sweeps.diving48 import STUDY as DIVING48
from sweeps.ts_grid import STUDY as TS_GRID

STUDIES = pytest.mark.parametrize("study", [TS_GRID, DIVING48], ids=lambda study: study.name)


@pytest.fixture
def help_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """What a sweep script prints at 80 columns, as it does where there is no terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.argv", ["sweeps/some.py"])

    def help_of(study: Study, *arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            sweep_main(study, arguments)
        out, err = capsys.readouterr()
        assert (stopped.value.code, err) == (0, "")
        return out

    return help_of


@STUDIES
@pytest.mark.parametrize("verb", VERBS)
def test_one_screen_with_examples_that_can_be_typed(study: Study, verb: str, help_of) -> None:
    said = help_of(study, verb, "--help")
    assert len(said.splitlines()) < 40
    examples = VERBS[verb].commands(verb, "python sweeps/some.py", study)
    assert 1 <= len(examples) <= 3
    given: list[dict[str, Any]] = []
    app = App(name="some.py", version_flags=[])
    command(app, verb, "", VERBS[verb].flags(study), lambda values: given.append(values) or 0)
    for example in examples:
        assert f"\n  {example}\n" in said
        call(app, shlex.split(example)[2:])
    assert len(given) == len(examples)
    assert {values.get("preset", "") for values in given} <= {"", *study.presets}


@STUDIES
@pytest.mark.parametrize("verb", VERBS)
def test_help_all_has_every_option_and_help_says_how_many_it_leaves_out(study: Study, verb: str, help_of) -> None:
    flags = VERBS[verb].flags(study)
    options = {f"--{flag.name.replace('_', '-')}": flag for flag in flags if not flag.positional}
    short, whole = help_of(study, verb, "--help"), help_of(study, verb, "--help-all")
    assert [name for name in options if f"│ {name} " not in whole] == []
    assert [name for name, flag in options.items() if (f"│ {name} " not in short) != flag.rare] == []
    rare = sum(flag.rare for flag in flags)
    assert re.findall(r"^(\d+) more options?: --help-all$", short, re.MULTILINE) == [str(rare)] * bool(rare)
    assert "more option" not in whole


def test_options_stand_under_their_headings(help_of) -> None:
    whole = help_of(TS_GRID, "run", "--help-all")
    headings = [line.split("─")[1].strip() for line in whole.splitlines() if line.startswith("╭")]
    assert headings == [
        "Options", "Grid", "Recipe", "Search for a recipe", "Places", "Machine", "When a trial fails", "Forecast",
        "Until decided", "Results",
    ]  # fmt: skip
    of = {flag.name: flag.heading for flag in VERBS["run"].flags(TS_GRID)}
    assert (of["stall_seconds"], of["back_off"], of["retry_code"]) == (("When a trial fails",) * 3)
    assert (of["only"], of["spec"], of["patience"], of["tune"]) == ("Grid", "Grid", "Recipe", "Search for a recipe")


def test_no_name_or_heading_is_out_of_date() -> None:
    flags = [flag for study in (TS_GRID, DIVING48) for verb in VERBS.values() for flag in verb.flags(study)]
    assert {flag.name for flag in flags} >= RARE
    assert {flag.heading for flag in flags} >= {*RARE_HEADINGS, *HEADINGS.values()}
    assert all(fields(cls) for cls in HEADINGS)
    probe = next(flag for flag in flags if flag.name == "probe_seconds")
    assert under_heading(probe, TS_GRID).rare
    assert not under_heading(probe, TS_GRID, ("probe_seconds",)).rare


@STUDIES
def test_the_list_of_verbs_fits_a_screen(study: Study, help_of) -> None:
    assert len(help_of(study, "--help").splitlines()) <= 40
    assert help_of(study, "--help-all") == help_of(study, "--help")
