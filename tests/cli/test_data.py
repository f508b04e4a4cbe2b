"""``rac-ray data``: what its verbs make and print, and what they say of bad input."""

from pathlib import Path

import pytest

from rac_ray.cli.command import main


@pytest.mark.usefixtures("local_ray")
def test_data_generate_verify_preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, pictures = str(tmp_path / "ts"), tmp_path / "pictures"

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["data", *arguments])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    sizes = ["--train-clips", "30", "--val-clips", "5", "--test-clips", "40", "--digits", "optdigits"]
    code, out, _ = run("generate", folder, *sizes)
    assert code == 0
    assert out.endswith("9 shards made, 270 clips, digits=optdigits\n")
    assert run("generate", folder, *sizes)[1].endswith("0 shards made, 270 clips, digits=optdigits\n")
    assert run("verify", folder) == (0, f"{folder}: all shards are what the manifest says\n", "")
    code, out, _ = run("preview", folder, "--out", str(pictures))
    assert (code, out) == (0, f"26 pictures in {pictures}\n")
    assert len(list(pictures.glob("*.gif"))) == 25
    assert run("generate", folder, *sizes, "--paired-clips", "20")[1].endswith(
        "5 shards made, 370 clips, digits=optdigits\n"
    )
    assert run("verify", folder) == (0, f"{folder}: all shards are what the manifest says\n", "")
    assert run("preview", folder, "--out", str(pictures))[:2] == (0, f"26 pictures in {pictures}\n")
    (tmp_path / "ts/5dot/test-00000-of-00001.parquet").unlink()
    assert run("verify", folder) == (1, "5dot/test-00000-of-00001.parquet: missing\n", "")
    code, _, err = run("generate", folder, *sizes, "--spec", "paper")
    assert code == 2
    assert "spec.background 'flicker' instead of 'static'" in err
    assert run("generate", folder, "--spec", "other")[2] == "error: unknown spec 'other'; valid: released, paper\n"
    assert run("generate", folder, "--source", "4dot")[0] == 2
