"""Completion in real shells: bash, and zsh and fish where they are installed."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

from rac_ray.cli.completion import values_of
from rac_ray.cli.derive import call, command
from rac_ray.cli.sweep import VERBS
from sweeps.diving48 import STUDY as DIVING48
from sweeps.ts_grid import STUDY as TS_GRID

ROOT = Path(__file__).parents[2]
PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from cyclopts import App
from rac_ray.cli.derive import call, command
from rac_ray.cli.sweep import VERBS
from sweeps.ts_grid import STUDY
app = App(name="sweep", version_flags=[])
for name, verb in VERBS.items():
    command(app, name, verb.help, verb.flags(STUDY), lambda given: 0)
if sys.argv[1:2] == ["--script"]:
    print(app.generate_completion(shell=sys.argv[2]))
else:
    sys.exit(call(app, sys.argv[1:]))
"""
"""The verbs of Temporal Shape as a program that a shell can complete."""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, on the path; there is a folder ``data`` beside it."""
    program = tmp_path / "bin/sweep"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "data/try").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return program


def script(program: Path, shell: str) -> str:
    done = subprocess.run([program, "--script", shell], capture_output=True, text=True, check=True)
    Path(f"completion.{shell}").write_text(done.stdout)
    return f"completion.{shell}"


def in_bash(words: list[str], file: str) -> list[str]:
    """What bash offers for the last word."""
    given = " ".join(f"'{word}'" for word in words)
    code = f"""source {file}; COMP_WORDS=({given}); COMP_CWORD={len(words) - 1}
_{words[0].replace("-", "_")}; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return shlex.split(done.stdout)


def in_fish(words: list[str], file: str) -> list[str]:
    code = f"source {file}; complete -C '{' '.join(words)}'"
    done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, check=True)
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


CASES = [
    (["sweep", "st"], ["status"]),
    (["sweep", "run", "--preset", ""], ["demo", "laptop", "online", "paper"]),
    (["sweep", "run", "--preset", "l"], ["laptop"]),
    (["sweep", "plan", "--models", "c"], ["convlstm", "cnn3d"]),
    (["sweep", "plan", "--models", "convlstm,c"], ["convlstm,cnn3d"]),
    (["sweep", "plan", "--models", "convlstm,cnn3d,c"], []),
    (["sweep", "run", "--source", ""], ["2dot", "mnist_bg"]),
    (["sweep", "run", "--spec", "r"], ["released"]),
    (["sweep", "run", "--schedule", ""], ["constant", "cosine"]),
    (["sweep", "run", "--precision", "bf"], ["bf16-mixed"]),
    (["sweep", "run", "--until"], ["--until-decided"]),
    (["sweep", "results", "--ver"], ["--verdict"]),
]


@pytest.mark.parametrize(("words", "offered"), CASES, ids=lambda each: " ".join(each))
def test_bash(words: list[str], offered: list[str], sweep: Path) -> None:
    assert sorted(in_bash(words, script(sweep, "bash"))) == sorted(offered)


def test_bash_offers_nothing_wrong_after_a_comma_that_it_has_written_itself(sweep: Path) -> None:
    """It writes ``\\,``, which means the same; after that it knows no more names."""
    file = script(sweep, "bash")
    assert in_bash(["sweep", "run", "--models", r"convlstm\,cnn3d,timesformer1"], file) == []
    assert in_bash(["sweep", "run", "--models", "convlstm,cnn3d,timesformer1"], file) == ["convlstm,cnn3d,timesformer1"]


def test_bash_offers_files_and_folders(sweep: Path) -> None:
    file = script(sweep, "bash")
    assert in_bash(["sweep", "run", "--data", "da"], file) == ["data"]
    assert in_bash(["sweep", "run", "--storage", "data/"], file) == ["data/try"]
    assert in_bash(["sweep", "run", "--seeds", "4"], file) == ["42", "47"]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize(("words", "offered"), CASES, ids=lambda each: " ".join(each))
def test_fish(words: list[str], offered: list[str], sweep: Path) -> None:
    assert set(offered) <= set(in_fish(words, script(sweep, "fish")))


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_reads_its_script(sweep: Path) -> None:
    done = subprocess.run(["zsh", "-n", script(sweep, "zsh")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_rac_ray_installs_its_completion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And completes its own verbs, once the file is sourced that ``.bashrc`` then sources."""
    monkeypatch.chdir(tmp_path)
    command = Path(sys.executable).with_name("rac-ray")
    home = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [command, "--install-completion", "--shell", "bash"], env=home, capture_output=True, text=True, check=True
    )
    file = tmp_path / ".local/share/bash-completion/completions/rac-ray"
    assert str(file) in done.stdout
    assert f'. "{file}"' in (tmp_path / ".bashrc").read_text()
    assert in_bash(["rac-ray", "data", "ver"], str(file)) == ["verify"]
    assert in_bash(["rac-ray", "doc"], str(file)) == ["doctor"]
    assert in_bash(["rac-ray", "data", "generate", "--dry"], str(file)) == ["--dry-run"]
    assert in_bash(["rac-ray", "ts", "run", "--preset", "d"], str(file)) == ["demo"]
    assert in_bash(["rac-ray", "diving48", "deco"], str(file)) == ["decode"]
    (tmp_path / "results").mkdir()
    assert in_bash(["rac-ray", "results", "res"], str(file)) == ["results"]


def test_rac_ray_is_asked_for_lists_of_names(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("rac-ray"), "__complete", "ts", "run", "--models", "convlstm,c"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert "convlstm,cnn3d" in [line.partition("\t")[0] for line in done.stdout.splitlines()]


def test_values_are_those_that_presets_have() -> None:
    assert values_of(TS_GRID, "models") == ["convlstm", "cnn3d", "timesformer1", "timesformer8"]
    assert values_of(TS_GRID, "feed") == ["auto", "resident", "streamed", "stored", "online"]
    assert values_of(DIVING48, "experiment") == ["a", "b", "c", "d", "e", "f", "g", "h"]
    assert values_of(DIVING48, "flip_validation") == ["yes", "no"]
    assert values_of(TS_GRID, "optimiser") == ["sgd", "adamw"]
    assert values_of(TS_GRID, "learning_rate") == values_of(TS_GRID, "storage") == []
    paths = {flag.name for verb in VERBS.values() for flag in verb.flags(TS_GRID) if flag.is_path}
    assert paths == {"storage", "data", "to", "digits", "capsule"}


def test_a_help_names_values_that_are_few() -> None:
    said = {flag.name: flag.help for flag in VERBS["run"].flags(TS_GRID)}
    assert said["models"].startswith("models: convlstm, cnn3d, timesformer1, timesformer8; also cnn2plus1d, ")
    assert said["source"] == "source domains: 2dot, mnist_bg"
    assert said["seeds"] == "seeds; 0 is one like any other"
    assert said["optimiser"] == "optimisers: sgd, adamw"


def test_any_text_is_taken_whatever_else_is_loaded(rac_ray) -> None:
    """cyclopts has pydantic check values where that is loaded, as Ray does; what is wrong is told in our own words."""
    import pydantic

    assert pydantic.VERSION
    code, out, err = rac_ray("data", "verify", "no:where")
    assert (code, out) == (2, "")
    assert "no:where' has no manifest; " in err
    app, given = App(name="sweep", version_flags=[]), []
    command(app, "status", "", VERBS["status"].flags(TS_GRID), lambda values: given.append(values) or 0)
    call(app, ["status", "--preset", "huge", "--precision", "64", "--storage", "s3://bucket/x", "--models", "rnn"])
    call(app, ["status"])
    first, second = ([each[name] for name in ("preset", "precision", "storage", "models")] for each in given)
    assert first == ["huge", "64", "s3://bucket/x", ["rnn"]]
    assert second == ["", None, None, None]


def test_an_argument_has_no_values_of_an_option_of_the_same_name() -> None:
    (source,) = [flag for flag in VERBS["import"].flags(TS_GRID) if flag.name == "source"]
    assert (source.positional, source.complete) == (True, None)
    assert "2dot" not in source.help
