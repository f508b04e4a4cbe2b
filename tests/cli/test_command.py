"""``rac-ray``: its nouns and verbs, and the installed command."""

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


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("rac-ray")
    done = subprocess.run([command, "data", "verify", "nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.endswith("nowhere: there is no manifest.json\n")
    wrong = subprocess.run([command, "date"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith('error: unknown command "date"')
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "rac-ray what? valid: data, diving48, results, replay, doctor; see rac-ray --help"),
        (["data"], "rac-ray data what? valid: generate, verify, preview; see --help"),
        (["diving48"], "rac-ray diving48 what? valid: check, decode, sheet; see --help"),
        (["data", "make"], 'unknown command "make". '),
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


@pytest.mark.parametrize("words", [[], ["data"], ["diving48"], ["results"], ["replay"], ["doctor"]], ids=" ".join)
def test_help_fits_a_screen(words: list[str], rac_ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = rac_ray(*words, "--help")
    assert (code, rac_ray(*words, "--help-all")[1]) == (0, out)
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
