"""``rac-ray diving48``: what its verbs print and make, and what they say of bad input."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rac_ray.cli.videos import WHERE
from rac_ray.data.masks import HEIGHT, WIDTH, rows_of, write_masks
from rac_ray.store.storage import Storage
from tests.data.diving_files import write_download
from tests.data.videos import truncated


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of ``train``, one of them broken, and four of ``test``."""
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", videos=True)
    broken = folder / "rgb/trainVideo2_00002.mp4"
    truncated(broken, broken)
    return folder


@pytest.fixture
def run(rac_ray: Callable[..., Any]) -> Callable[..., Any]:
    """Run a verb; returns (exit code, stdout, stderr)."""
    return partial(rac_ray, "diving48")


def test_what_is_wrong_with_a_download_is_told_with_where_to_have_it(run, download: Path) -> None:
    code, out, err = run("check", str(download))
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert "ERROR Diving48_V2_train.json lists 8 clips; version 2 has 15,027" in lines
    assert {line[:6] for line in lines[:-1]} <= {"ERROR ", "note  "}
    assert lines[-1] == WHERE


@pytest.mark.usefixtures("local_ray")
def test_clips_are_decoded_and_one_is_drawn_in_every_domain(run, download: Path, tmp_path: Path) -> None:
    code, out, _ = run("decode", str(download), str(tmp_path / "data"))
    assert code == 1
    assert "LEFT OUT trainVideo2_00002 is truncated or corrupt: " in out
    assert out.endswith(f"{tmp_path}/data: 2 shards made, 11 clips, 1 left out\n")
    soft = np.zeros((1, HEIGHT, WIDTH), np.float32)
    soft[0, 100:200, 200:260] = 0.9
    box = np.array([[200, 100, 260, 200]], np.float32)
    rows = [row for frame in range(32) for row in rows_of("testVideo1_00001", frame, soft, [0.9], box)]
    write_masks(Storage.at(tmp_path), "masks.parquet", rows)
    places = [str(tmp_path / "data"), str(tmp_path / "masks.parquet")]
    picture = tmp_path / "sheet.png"
    done = run("sheet", *places, "testVideo1_00001", "--out", str(picture))
    assert done == (0, f"{picture}: testVideo1_00001 in every domain\n", "")
    with Image.open(picture) as sheet:
        assert sheet.size == (6 * WIDTH // 3, 5 * HEIGHT // 3)
    for clip, sentence in (("nobody", " has no clip 'nobody'"), ("trainVideo2_00002", "is left out: it is tr")):
        code, out, err = run("sheet", *places, clip, "--out", str(tmp_path / "none.png"))
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert sentence in err
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["decode", "nowhere", "data"], "Diving48_V2_train.json"),
        (["check", "nowhere"], "there is no folder 'nowhere'; valid: the one that has Diving48_V2_train.json and rgb/"),
        (["decode", "nowhere"], "data is required; see --help"),
        (["decode", "nowhere", "data", "--seconds", "-1"], "--seconds is -1; valid: 0 or more"),
        (["decode", "nowhere", "data", "--num-cpus", "some"], "--num-cpus 'some' is not an integer"),
        (["sheet", "nowhere", "masks.parquet", "a"], "data folder '"),
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
