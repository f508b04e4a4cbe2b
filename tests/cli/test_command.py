"""``rac-ray``: its nouns and verbs, and the installed command."""

import subprocess
import sys
from pathlib import Path

import pytest

from rac_ray.cli.command import main


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
        ([], "rac-ray what? valid: data, diving48, results, replay, doctor"),
        (["data"], "rac-ray data what? valid: generate, verify, preview"),
        (["diving48"], "rac-ray diving48 what? valid: check, decode, sheet"),
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
