"""``rac-ray data``: what its verbs make and print, and what they say of bad input."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.studies.temporal_shape.idx import drawn, folder_of


@pytest.fixture
def run(rac_ray: Callable[..., Any]) -> Callable[..., Any]:
    """Run a verb; returns (exit code, stdout, stderr)."""
    return partial(rac_ray, "data")


@pytest.mark.usefixtures("local_ray")
def test_generate_verify_preview(run, tmp_path: Path) -> None:
    folder, pictures = str(tmp_path / "ts"), tmp_path / "pictures"
    sizes = ["--train-clips", "30", "--val-clips", "5", "--test-clips", "40"]
    code, out, _ = run("generate", folder, *sizes, "--dry-run")
    assert (code, out.splitlines()[-1]) == (0, f"{folder}: missing: 9 shards, 270 clips, at most 24.3 MB")
    assert "would make 2dot/train: 1 shard, 30 clips, at most 2.7 MB\n" in out
    assert not (tmp_path / "ts").exists()
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
    assert run("generate", folder, *sizes, *more)[1].endswith("1 shard made, 310 clips\n")
    assert (tmp_path / "ts/kannada/test-00000-of-00001.parquet").exists()
    (tmp_path / "ts/5dot/test-00000-of-00001.parquet").unlink()
    assert run("verify", folder) == (1, "5dot/test-00000-of-00001.parquet: missing\n", "")
    assert run("generate", folder, *sizes, "--dry-run") == (
        0,
        f"would make 5dot/test: 1 shard, 40 clips, at most 3.6 MB\n"
        f"{folder}: missing: 1 shard, 40 clips, at most 3.6 MB\n",
        "",
    )
    code, out, _ = run("generate", folder, *sizes, "--spec", "paper")
    assert (code, out.splitlines()[-1]) == (0, f"{folder}/spec-paper: 9 shards made, 270 clips")
    code, _, err = run("generate", f"{folder}/spec-paper", *sizes)
    assert code == 2
    assert "spec.background 'static' instead of 'flicker'" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["generate", "ts", "--spec", "other"], "unknown spec 'other'; valid: released, paper"),
        (["generate", "ts", "--source", "2dot,4dot"], "unknown source domain '4dot'; valid: 2dot, mnist_bg"),
        (["generate", "ts", "--source", " ,"], "--source names nothing; give one value or more"),
        (
            ["generate", "ts", "--factors", "drift,sise7"],
            "unknown factor of 2dot and mnist_bg 'sise7'; did you mean size7?",
        ),
        (["generate", "ts", "--digits", "emnist"], "there is no folder of digits '"),
        (["generate", "ts", "--train-clips", "-1"], "--train-clips is -1; valid: 0 or more"),
        (["generate", "ts", "--val-clips", "0"], "2dot/val is to hold 0 clips; valid: 1 or more"),
        (["generate"], "folder is required; see --help"),
        (["preview", "nowhere", "--out", "pictures"], "data folder '"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    arguments: list[str], sentence: str, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {sentence}")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_is_none_is_named(run, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    code, out, err = run("verify", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}/manifest.json is corrupt (")
