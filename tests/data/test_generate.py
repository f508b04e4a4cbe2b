"""On a real local Ray: one task, one shard; only missing shards; a killed run leaves nothing half-written."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rac_ray.data.generate import GENERATOR, generate, missing_clips, to_make
from rac_ray.data.manifest import read_split, verify
from rac_ray.data.shards import Shard
from rac_ray.errors import BadInput
from rac_ray.store.lock import holding
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.studies.temporal_shape.symbols import all_symbols
from tests.studies.temporal_shape.idx import drawn, folder_of

pytestmark = pytest.mark.usefixtures("local_ray")

PARTS = {"2dot/train": 620, "mnist_bg/test": 30}


@pytest.fixture
def dataset() -> GeneratedClips:
    return GeneratedClips(TemporalShapeSpec(), PARTS)


@pytest.fixture
def root(tmp_path: Path) -> Storage:
    return Storage.at(tmp_path / "data")


def times(root: Storage) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path(root.root).rglob("*.parquet")}


def test_makes_shards_and_a_manifest_and_then_nothing(root: Storage, dataset: GeneratedClips) -> None:
    said: list[str] = []
    assert generate(root, dataset, said.append).made == 3
    assert len(said) == 3
    assert verify(root) == []
    before = times(root)
    assert generate(root, dataset).made == 0
    assert times(root) == before
    expected = make_clip(dataset.shape, "mnist_bg", "test", 29)
    np.testing.assert_array_equal(read_split(root, "mnist_bg/test").frames[29], expected.frames)


def test_makes_only_the_missing_shard_again(root: Storage, dataset: GeneratedClips) -> None:
    generate(root, dataset)
    manifest = root.read_bytes("manifest.json")
    root.delete("2dot/train-00001-of-00002.parquet")
    assert missing_clips(root, dataset) == 120
    before = times(root)
    assert names(to_make(root, dataset)) == {"2dot/train": ["2dot/train-00001-of-00002.parquet"]}
    assert times(root) == before
    assert generate(root, dataset).made == 1
    assert {path: when for path, when in times(root).items() if path in before} == before
    assert root.read_bytes("manifest.json") == manifest
    assert verify(root) == []


def names(missing: dict[str, list[Shard]]) -> dict[str, list[str]]:
    return {part: [shard.name for shard in shards] for part, shards in missing.items()}


def test_what_would_be_made_is_what_is_made(root: Storage, dataset: GeneratedClips) -> None:
    """Of a new folder, a whole one, one with a damaged shard, and one that lacks its manifest."""
    assert {part: len(shards) for part, shards in to_make(root, dataset).items()} == {
        "2dot/train": 2,
        "mnist_bg/test": 1,
    }
    assert root.sizes() == {}
    generate(root, dataset)
    assert to_make(root, dataset) == {}
    path = Path(root.root, "mnist_bg/test-00000-of-00001.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert names(to_make(root, dataset)) == {"mnist_bg/test": ["mnist_bg/test-00000-of-00001.parquet"]}
    root.delete("manifest.json")
    assert names(to_make(root, dataset)) == {"mnist_bg/test": ["mnist_bg/test-00000-of-00001.parquet"]}
    assert generate(root, dataset).made == 1
    with pytest.raises(BadInput, match="choose another with --data"):
        to_make(root, replace(dataset, shape=replace(dataset.shape, background="static")))


def test_a_folder_grows_by_domains(root: Storage, dataset: GeneratedClips) -> None:
    generate(root, dataset)
    before = times(root)
    wider = replace(dataset, clips={**PARTS, "5dot/test": 10})
    assert generate(root, wider).made == 1
    assert {path: when for path, when in times(root).items() if path in before} == before
    assert verify(root) == []


def test_other_images_under_the_same_name_are_made_again(
    root: Storage, dataset: GeneratedClips, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "kannada", drawn(4))
    wider = replace(dataset, clips={**PARTS, "kannada/test": 10}, symbols=all_symbols([folder]))
    assert generate(root, wider).made == 4
    before, first = times(root), read_split(root, "kannada/test").frames
    np.testing.assert_array_equal(first[9], make_clip(dataset.shape, "kannada", "test", 9, drawn(4)).frames)
    folder_of(tmp_path / "kannada", drawn(4, seed=1))
    changed = replace(wider, symbols=all_symbols([folder]))
    assert generate(root, changed).made == 1
    same = {path for path in before if "/kannada/" not in path}
    assert {path: when for path, when in times(root).items() if path in same} == {path: before[path] for path in same}
    assert (read_split(root, "kannada/test").frames != first).any()
    assert verify(root) == []
    assert generate(root, dataset).made == 0
    assert "kannada/test" in root.read_json("manifest.json")["splits"], "a folder keeps the domains that it has"


def test_symbols_that_are_gone_are_told_in_one_sentence(root: Storage, dataset: GeneratedClips, tmp_path: Path) -> None:
    """It comes from another process, which was to draw them."""
    folder = folder_of(tmp_path / "kannada", drawn(4))
    wider = replace(dataset, clips={**PARTS, "kannada/test": 10}, symbols=all_symbols([folder]))
    Path(folder).rename(tmp_path / "elsewhere")
    with pytest.raises(BadInput) as told:
        generate(root, wider)
    assert str(told.value).startswith(f"there is no folder of digits '{folder}'; valid: ")


def test_temporary_files_of_a_killed_run_are_removed(root: Storage, dataset: GeneratedClips) -> None:
    """Not those of others: trainings may write clips that they keep, and clips of another spec lie below."""
    names = (
        "2dot/train-00000-of-00002.parquet",
        "endless/2dot/a.parquet",
        "spec-paper/2dot/train-00000-of-00002.parquet",
    )
    left = [Path(root.root, f"{name}.tmp-0123abcd") for name in names]
    for path in left:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
    generate(root, dataset)
    assert [path.exists() for path in left] == [False, True, True]


def test_a_corrupt_shard_without_a_manifest_is_made_again(root: Storage, dataset: GeneratedClips) -> None:
    root.write_bytes("mnist_bg/test-00000-of-00001.parquet", b"PAR1 nonsense")
    assert generate(root, dataset).made == 3
    assert verify(root) == []


def test_a_shard_of_another_spec_without_a_manifest_is_named(root: Storage, dataset: GeneratedClips) -> None:
    generate(root, dataset)
    root.delete("manifest.json")
    with pytest.raises(BadInput, match=r"parquet was made for another dataset spec; choose another folder or delete"):
        generate(root, replace(dataset, shape=TemporalShapeSpec(seed=1)))
    assert not root.exists("manifest.json")


def test_other_pixels_than_were_promised_are_refused(root: Storage, dataset: GeneratedClips) -> None:
    """Trainings may rest on the clips that are gone."""
    generate(root, dataset)
    manifest = root.read_json("manifest.json")
    manifest["splits"]["mnist_bg/test"]["content"] = "0" * 64
    root.write_json("manifest.json", manifest)
    root.delete("mnist_bg/test-00000-of-00001.parquet")
    with pytest.raises(BadInput, match=r"mnist_bg/test was made again with other pixels than .*manifest.json promises"):
        generate(root, dataset)
    assert root.read_json("manifest.json") == manifest


def test_damaged_shards_are_told_and_made_again(root: Storage, dataset: GeneratedClips) -> None:
    generate(root, dataset)
    whole = {name: root.read_bytes(name) for name in root.sizes() if name.endswith(".parquet")}
    truncated, missing = "mnist_bg/test-00000-of-00001.parquet", "2dot/train-00000-of-00002.parquet"
    root.write_bytes(truncated, whole[truncated][:1000])
    root.delete(missing)
    said: list[str] = []
    assert generate(root, dataset, said.append).made == 2
    assert f"data {root.root}/{truncated} is damaged; it is made again" in said
    assert {name: root.read_bytes(name) for name in whole} == whole
    assert verify(root) == []
    assert generate(root, dataset).made == 0


def test_a_complete_folder_may_be_read_only(root: Storage, dataset: GeneratedClips, monkeypatch) -> None:
    generate(root, dataset)
    monkeypatch.setattr(Storage, "writing", None)
    monkeypatch.setattr(GeneratedClips, "maker", None)
    assert generate(root, dataset).made == 0


def test_two_generators_on_one_folder_take_turns(root: Storage, dataset: GeneratedClips) -> None:
    said: list[str] = []
    with holding(root, GENERATOR) as first:
        second = threading.Thread(target=lambda: said.append(f"made {generate(root, dataset, said.append).made}"))
        second.start()
        while not said:
            time.sleep(0.02)
        assert said == [f"waiting: {root.root} is held by {first.holder.sentence}; wait, `cancel` it, or take it over "
                        "with --take-over"]  # fmt: skip
        assert root.names() == [GENERATOR]
    second.join()
    assert said[-1].startswith("made ")
    assert verify(root) == []


def test_sigkill_leaves_only_whole_shards_and_the_next_run_completes(tmp_path: Path, repository: Path) -> None:
    """The real command, killed with its whole process group after the first shard."""
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "rac_ray.cli.command", "data", "generate", str(folder), "--source", "mnist_bg"]
    command += ["--train-clips", "2500", "--val-clips", "500", "--test-clips", "100"]
    process = subprocess.Popen(command, cwd=repository, start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not list(folder.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    survived = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    assert survived
    assert not (folder / "manifest.json").exists()
    finished = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=180, check=False)
    assert finished.returncode == 0, finished.stderr
    assert {path: path.stat().st_mtime_ns for path in survived} == survived
    assert verify(Storage.at(folder)) == []
