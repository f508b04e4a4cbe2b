"""``rac-ray``: its nouns and verbs, and the installed command."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from rac_ray.cli.command import COMMANDS, doctor, main, replay, results
from rac_ray.cli.derive import call, command, examples_of, flags_of
from rac_ray.cli.sweep import JSON, WATCH

ROOT = Path(__file__).parents[2]
SWEEP = "run, plan, status, describe, retry, cancel, clean, import, results, replay"


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("rac-ray")
    done = subprocess.run([command, "data", "verify", "nowhere"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("nowhere' has no manifest; a sweep, or a verb of `rac-ray`, makes its clips\n")
    wrong = subprocess.run([command, "date"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith('error: unknown command "date"')
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "rac-ray what? valid: ts, diving48, data, results, replay, doctor; see rac-ray --help"),
        (["data"], "rac-ray data what? valid: generate, verify, preview; see --help"),
        (["ts"], f"rac-ray ts what? valid: {SWEEP}; see --help\n"),
        (["diving48"], f"rac-ray diving48 what? valid: {SWEEP}, check, decode, sheet, segment, masks; see --help"),
        (["data", "make"], 'unknown command "make". '),
        (["ts", "make"], f"unknown verb 'make'; valid: {SWEEP}\n"),
        (["diving48", "make"], f"unknown verb 'make'; valid: {SWEEP}, check, decode, sheet, segment, masks"),
        (["ts", "--preset", "huge"], "unknown preset 'huge'; valid: demo, laptop, online, paper"),
        (["diving48", "plan", "--preset", "huge"], "unknown preset 'huge'; valid: demo, paper"),
        (["diving48", "segment", "nowhere", "--out", "o"], "there is no folder 'nowhere'; frames are images in "),
        (["results"], "folder is required; see --help"),
        (["results", "nowhere"], "no results in '"),
        (["results", "nowhere", "--watch", "0"], "--watch is 0; valid: 1 or more"),
        (["replay", "x.tar.zst", "--retrain", "-1"], "--retrain is -1; valid: 0 or more"),
        (["replay", "x.tar.zst", "--retrain", "some"], "--retrain 'some' is not an integer"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    assert (stopped.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {sentence}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["", "data", "ts", "diving48", "results", "replay", "doctor"])
def test_help_fits_a_screen(words: str, rac_ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = rac_ray(*words.split(), "--help")
    assert (code, rac_ray(*words.split(), "--help-all")[1]) == (0, out)
    assert len(out.splitlines()) <= 40


@pytest.mark.parametrize(
    ("words", "function"),
    [
        *((f"{noun} {verb}", function) for noun, verbs in COMMANDS.items() for verb, function in verbs.items()),
        ("results", results),
        ("replay", replay),
        ("doctor", doctor),
    ],
)
def test_help_of_each_verb_fits_a_screen_and_has_examples(
    words: str, function: Callable[..., Any], rac_ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example is a command with options that the verb has."""
    monkeypatch.setenv("COLUMNS", "100")
    _, out, _ = rac_ray(*words.split(), "--help")
    assert len(out.splitlines()) <= 40
    examples = examples_of(function)
    assert 1 <= len(examples) <= 3
    given: list[dict[str, Any]] = []
    app = App(name="program", version_flags=[])
    flags = [*flags_of(function), *([WATCH, JSON] if words == "results" else [])]
    command(app, "verb", "", flags, lambda values: given.append(values) or 0)
    for example in examples:
        assert f"\n  {example}\n" in out
        assert example.startswith(f"rac-ray {words}")
        call(app, ["verb", *shlex.split(example.removeprefix(f"rac-ray {words}"))])
    assert len(given) == len(examples)


def test_a_study_has_the_verbs_of_its_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rac_ray: Callable[..., tuple[int | str | None, str, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = rac_ray("ts", "plan", "--preset", "demo", "--probe-seconds", "0", "--num-gpus", "0")
    assert (code, err, "12 trials planned = 0 done + 0 failed + 0 running + 12 pending" in out) == (0, "", True)
    code, out, err = rac_ray("ts", "status", "--preset", "demo", "--seeds", "42", "--json")
    assert (code, err, json.loads(out)["counts"]["planned"]) == (3, "", 4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("noun", ["ts", "diving48"])
def test_help_shows_the_command_that_was_typed(
    noun: str, rac_ray: Callable[..., tuple[int | str | None, str, str]]
) -> None:
    code, out, _ = rac_ray(noun, "--help")
    assert code == 0
    assert out.startswith(f"Usage: rac-ray {noun} COMMAND")
    assert f"    rac-ray {noun} run --preset demo " in out
    assert "{command}" not in out
    code, out, _ = rac_ray(noun, "run", "--help")
    assert (code, out.startswith(f"Usage: rac-ray {noun} run [OPTIONS]")) == (0, True)


def test_every_study_is_listed(rac_ray: Callable[..., tuple[int | str | None, str, str]]) -> None:
    listed = re.findall(r"^│ (\w+) ", rac_ray("--help")[1], re.MULTILINE)
    assert {"ts", "diving48", "data", "results", "replay"} <= set(listed)


OUTSIDE = """
from dataclasses import replace

from rac_ray.studies.study import Study
from rac_ray.studies.temporal_shape.grid import DEMO
from rac_ray.studies.temporal_shape.study import TemporalShape

GRID = replace(DEMO, models=("cnn3d",), hidden_units=(2,), seeds=(42,))
STUDY = TemporalShape("mine", {"own": GRID}, "own", "Mine: {command} plan")


class Half(Study):
    name, presets, default_preset = "half", {}, ""


def nothing():
    return 7
"""


def test_a_study_of_another_package_has_a_command(tmp_path: Path) -> None:
    """The package names it in an entry point, as pip leaves it; one that cannot be loaded is told in one sentence."""
    about = tmp_path / "site/other-1.0.dist-info"
    about.mkdir(parents=True)
    (tmp_path / "site/other_package.py").write_text(OUTSIDE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    places = {"mine": "STUDY", "wrong": "STUDY", "half": "Half", "none": "nothing"}
    entries = "".join(f"{word} = other_package:{name}\n" for word, name in places.items()) + "gone = no_package:STUDY\n"
    (about / "entry_points.txt").write_text(f"[rac_ray.studies]\n{entries}")
    (tmp_path / "empty").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path / "site"), str(ROOT)))}

    def said(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "rac_ray.cli.command", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path / "empty", env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout or done.stderr

    code, out = said("mine", "plan", "--probe-seconds", "0")
    assert (code, "1 trial planned = 0 done + 0 failed + 0 running + 1 pending" in out) == (0, True)
    assert "Mine: rac-ray mine plan" in said("mine", "--help")[1]
    assert re.search(r"│ mine +A study of other\. +│", said("--help")[1])
    named = "other_package:STUDY is 'mine'; valid: the name of its entry point, 'wrong'"
    assert said("wrong", "plan") == (2, f"error: {named}\n")
    gone = "study 'gone' of no_package:STUDY cannot be loaded: ModuleNotFoundError: No module named 'no_package'"
    assert said("gone", "plan") == (2, f"error: {gone}\n")
    half = "study 'half' of other_package:Half cannot be loaded: TypeError: Can't instantiate abstract class Half"
    code, out = said("half", "plan")
    assert (code, out.startswith(f"error: {half}"), out.count("\n")) == (2, True, 1)
    none = "other_package:nothing is int; valid: a study, or a function or class that makes one"
    assert said("none", "plan") == (2, f"error: {none}\n")
    assert list((tmp_path / "empty").iterdir()) == []
