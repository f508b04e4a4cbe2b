"""``rac-ray``: its nouns and verbs, as functions and as the installed command."""

import subprocess
import sys
from pathlib import Path

import pytest

from rac_ray.cli.command import main
from tests.studies.temporal_shape.idx import drawn, folder_of


@pytest.mark.usefixtures("local_ray")
def test_data_generate_verify_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, pictures = str(tmp_path / "ts"), tmp_path / "pictures"

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["data", *arguments])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    sizes = ["--train-clips", "30", "--val-clips", "5", "--test-clips", "40"]
    code, out, _ = run("generate", folder, *sizes)
    assert code == 0
    assert out.endswith("9 shards made, 270 clips\n")
    assert run("generate", folder, *sizes)[1].endswith("0 shards made, 270 clips\n")
    assert run("verify", folder) == (0, f"{folder}: all shards are what the manifest says\n", "")
    code, out, _ = run("preview", folder, "--out", str(pictures))
    assert (code, out) == (0, f"26 pictures in {pictures}\n")
    assert len(list(pictures.glob("*.gif"))) == 25
    assert run("generate", folder, *sizes, "--paired-clips", "20")[1].endswith("5 shards made, 370 clips\n")
    assert run("verify", folder) == (0, f"{folder}: all shards are what the manifest says\n", "")
    assert run("preview", folder, "--out", str(pictures))[:2] == (0, f"26 pictures in {pictures}\n")
    more = ["--digits", folder_of(tmp_path / "Kannada", drawn(3))]
    assert run("generate", folder, *sizes, *more)[1].endswith("1 shards made, 310 clips\n")
    assert (tmp_path / "ts/kannada/test-00000-of-00001.parquet").exists()
    assert run("generate", folder, *sizes, "--digits", "emnist")[2].startswith("error: there is no folder of digits '")
    (tmp_path / "ts/5dot/test-00000-of-00001.parquet").unlink()
    assert run("verify", folder) == (1, "5dot/test-00000-of-00001.parquet: missing\n", "")
    code, _, err = run("generate", folder, *sizes, "--spec", "paper")
    assert code == 2
    assert "spec.background 'flicker' instead of 'static'" in err
    assert run("generate", folder, "--spec", "other")[2] == "error: unknown spec 'other'; valid: released, paper\n"
    assert run("generate", folder, "--source", "4dot")[0] == 2


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("rac-ray")
    done = subprocess.run([command, "data", "verify", "nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.endswith("nowhere: there is no manifest.json\n")
    wrong = subprocess.run([command, "date"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith('error: unknown command "date"')
    assert "Traceback" not in wrong.stderr
