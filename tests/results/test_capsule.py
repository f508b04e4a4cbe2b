import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from rac_ray.errors import BadInput
from rac_ray.identity import Trial
from rac_ray.results.capsule import _tar, derive_again, environment, ledger_in, pack, unpack
from rac_ray.results.tables import Tables
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.other import OtherStudy
from tests.records import Living, moving_on, predictions_of
from tests.results.studies import SHAPES


def shapes(_: Tables) -> OtherStudy:
    return SHAPES


@pytest.fixture
def capsule(sweep_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "out.tar.zst"
    assert pack(Storage.at(sweep_folder), path, SHAPES) == path.stat().st_size
    return path


def test_every_table_and_figure_comes_out_again_to_the_byte(capsule: Path, tmp_path: Path) -> None:
    found = derive_again(capsule, tmp_path / "again", shapes)
    assert found.different == ()
    assert {"tables/figure3-2dot.tex", "figures/figure4-2dot.png", "tables/predictions.parquet"} <= set(found.same)
    assert found.environment == ()
    assert (tmp_path / "again/derived/figures/figure4-2dot.svg").is_file()


def test_of_an_unfinished_plan_it_says_how_many_trials_have_not_run(sweep_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.tar.zst"
    pack(Storage.at(sweep_folder), path, SHAPES, planned=20)
    found = derive_again(path, tmp_path / "again", shapes)
    assert found.different == ()
    for place in ("outputs", "derived"):
        caption = (tmp_path / "again" / place / "tables/figure3-2dot.md").read_text()
        assert "6 of 20 planned trials are done, 1 has failed, 13 have not run" in " ".join(caption.split())


def test_a_folder_that_has_a_capsules_files_takes_no_other(capsule: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    derive_again(capsule, folder, shapes)
    with pytest.raises(BadInput, match=r"again' has the files of a capsule already; valid: a new folder"):
        derive_again(capsule, folder, shapes)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match=r"leads through .*, a file; valid: a folder, also a new one"):
        derive_again(capsule, tmp_path / "file", shapes)


def test_it_holds_records_predictions_failures_and_the_environment_but_no_weights(
    capsule: Path, tmp_path: Path, trials: list[Trial]
) -> None:
    manifest = unpack(capsule, tmp_path / "out")
    names = set(manifest.files)
    done, failed = trials[0].trial_id, trials[6].trial_id
    assert {f"records/trials/{done}/{name}" for name in ("trial.json", "record.json", "predictions.parquet")} <= names
    assert f"records/trials/{failed}/failure-001.json" in names
    assert not [name for name in names if name.endswith(".ckpt")]
    assert "numpy==" in (tmp_path / "out/environment.txt").read_text()
    assert environment()[0].startswith("python==3.")


def test_the_table_of_predictions_is_not_in_it_a_second_time(capsule: Path, tmp_path: Path) -> None:
    manifest, table = unpack(capsule, tmp_path / "out"), "outputs/tables/predictions.parquet"
    assert list(manifest.omitted) == [table]
    assert table not in manifest.files
    assert not (tmp_path / "out" / table).exists()
    again = derive_again(capsule, tmp_path / "again", shapes)
    derived = again.folder / "derived/tables/predictions.parquet"
    assert hashlib.sha256(derived.read_bytes()).hexdigest() == manifest.omitted[table]
    other = msgspec.structs.replace(manifest, omitted={table: "0" * 64})
    changed = repacked(capsule, tmp_path / "changed.tar.zst", {"capsule.json": msgspec.json.encode(other)})
    assert derive_again(changed, tmp_path / "other", shapes).different == ("tables/predictions.parquet",)


def test_weights_go_in_where_they_are_asked_for(sweep_folder: Path, tmp_path: Path, trials: list[Trial]) -> None:
    path, done = tmp_path / "with.tar.zst", trials[0].training.training_id
    (sweep_folder / "trials" / done / "best.ckpt").write_bytes(b"weights")
    (sweep_folder / "trials" / done / "last.ckpt").write_bytes(b"all of it")
    pack(Storage.at(sweep_folder), path, SHAPES, {done}, weights=True)
    with ledger_in(str(path)) as ledger:
        assert ledger.training_ids() == [done]
        assert ledger.folder(done).read_bytes("best.ckpt") == b"weights"
        assert not ledger.folder(done).exists("last.ckpt")
    with ledger_in(str(sweep_folder)) as ledger:
        assert len(ledger.training_ids()) > 1


def test_a_place_without_trials_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there are no trials in '.*'; valid: a sweep's folder, which has trials/"):
        ledger_in(str(tmp_path)).__enter__()


def test_failures_go_in_without_credentials(sweep_folder: Path, tmp_path: Path, trials: list[Trial]) -> None:
    folder = sweep_folder / "trials" / trials[6].trial_id
    whole = json.loads((folder / "failure-001.json").read_text())
    (folder / "failure-001.json").write_text(json.dumps({**whole, "traceback": "s3://me:hunter2@b/x"}))
    (folder / "failure-002.json").write_text('{"reason": "api_key=hunter2')
    pack(Storage.at(sweep_folder), tmp_path / "out.tar.zst", SHAPES)
    unpack(tmp_path / "out.tar.zst", tmp_path / "out")
    packed = tmp_path / "out/records/trials" / trials[6].trial_id
    assert json.loads((packed / "failure-001.json").read_text())["traceback"] == "s3://***@b/x"
    assert (packed / "failure-002.json").read_text() == '{"reason": "api_key=***'


def test_packed_twice_it_is_the_same_file(capsule: Path, sweep_folder: Path, tmp_path: Path) -> None:
    pack(Storage.at(sweep_folder), tmp_path / "second.tar.zst", SHAPES)
    assert (tmp_path / "second.tar.zst").read_bytes() == capsule.read_bytes()


def test_some_trials_alone(sweep_folder: Path, tmp_path: Path, trials: list[Trial]) -> None:
    pack(Storage.at(sweep_folder), tmp_path / "one.tar.zst", SHAPES, {trials[0].trial_id})
    unpack(tmp_path / "one.tar.zst", tmp_path / "one")
    assert [path.name for path in (tmp_path / "one/records/trials").iterdir()] == [trials[0].trial_id]


@pytest.mark.parametrize(("known", "when"), [(1, "after"), (0, "before")])
def test_of_a_sweep_that_goes_on_meanwhile_each_trial_is_packed_whole(
    known: int, when: str, sweep_folder: Path, tmp_path: Path, trials: list[Trial]
) -> None:
    """The record is read slowly: in whichever order files are asked for, it comes late."""
    ledger, training_id = Ledger(Storage.at(sweep_folder)), trials[0].training.training_id
    whole = ledger.records([training_id])[training_id]
    ledger.folder(training_id).delete("predictions.parquet")
    part = msgspec.structs.replace(whole, evaluations=whole.evaluations[:known])
    ledger.evaluated(part, predictions_of(part) if known else None)
    living = moving_on(ledger, whole, **{when: "predictions.parquet" if when == "after" else "record.json"}).storage
    assert isinstance(living, Living)

    def slowly(name: str, read: Callable[[], bytes]) -> bytes:
        time.sleep(0.2 if name.endswith("record.json") else 0)
        return living.reading(name, read)

    pack(Living(living.root, reading=slowly), tmp_path / "one.tar.zst", SHAPES, {training_id})
    with ledger_in(str(tmp_path / "one.tar.zst")) as packed:
        assert packed.scan()[training_id].damaged == ""
        assert packed.record(training_id) == (part if known else whole)
    assert ledger.record(training_id) == whole


def repacked(capsule: Path, path: Path, changes: dict[str, bytes]) -> Path:
    """The capsule with some files' contents replaced, or files added."""
    with pa.CompressedInputStream(str(capsule), "zstd") as stream, tarfile.open(fileobj=stream, mode="r|") as old:
        files = {entry.name: getattr(old.extractfile(entry), "read", bytes)() for entry in old}
    with pa.CompressedOutputStream(str(path), "zstd") as stream, tarfile.open(fileobj=stream, mode="w|") as new:
        for name, content in {**files, **changes}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    return path


def test_a_changed_file_is_noticed(capsule: Path, tmp_path: Path) -> None:
    changed = repacked(capsule, tmp_path / "changed.tar.zst", {"environment.txt": b"numpy==0"})
    with pytest.raises(BadInput, match=r"was changed: environment\.txt is not what its manifest says"):
        unpack(changed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_number_in_a_record_shows_in_the_tables(capsule: Path, tmp_path: Path, trials: list[Trial]) -> None:
    manifest = unpack(capsule, tmp_path / "out")
    name = f"records/trials/{trials[0].trial_id}/record.json"
    record = json.loads((tmp_path / "out" / name).read_text())
    content = json.dumps({**record, "parameters": 7}).encode()
    manifest.files[name] = hashlib.sha256(content).hexdigest()
    changed = {name: content, "capsule.json": msgspec.json.encode(manifest)}
    found = derive_again(repacked(capsule, tmp_path / "changed.tar.zst", changed), tmp_path / "again", shapes)
    assert "tables/trials.parquet" in found.different
    assert "tables/figure3-2dot.csv" in found.same


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside"])
def test_a_capsule_cannot_write_outside_of_its_folder(capsule: Path, tmp_path: Path, name: str) -> None:
    hostile = repacked(capsule, tmp_path / "hostile.tar.zst", {name: b"x"})
    with pytest.raises(BadInput, match="is no plain file inside of it"):
        unpack(hostile, tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"capsule.json": b"[]"}, "Expected `object`, got `array`"),
        ({"capsule.json": b'{"schema": 1}'}, "missing required field `files`"),
        ({"capsule.json": b'{"schema": 1, "files": {"a": 1}}'}, "Expected `str`, got `int`"),
        ({"other.json": b"{}"}, "there is no 'capsule.json' in it"),
        ({"capsule.json": b'{"schema": 1, "files": {}}'}, "there is no 'environment.txt' in it"),
        ({"capsule.json": b'{"schema": 1, "files": {}}', "environment.txt": b"\xff"}, "can't decode byte 0xff"),
        ({"a": b"x", "a/b": b"x"}, "'a' is a file and a folder"),
        ({"capsule.json": b" " * 80_000_000}, "it unpacks to more than "),
    ],
    ids=["a list", "no files", "no digest", "no manifest", "no environment", "no text", "both", "large"],
)
def test_a_malformed_capsule_is_one_sentence(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar.zst"
    path.write_bytes(_tar(files))
    assert path.stat().st_size < 10_000
    with pytest.raises(BadInput, match=f"is not a whole capsule \\(.*{re.escape(said)}"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_capsule_is_told(tmp_path: Path, sweep_folder: Path) -> None:
    with pytest.raises(BadInput, match="there is no capsule at"):
        unpack(tmp_path / "none.tar.zst", tmp_path / "out")
    (tmp_path / "text").write_text("no capsule")
    with pytest.raises(BadInput, match="is not a whole capsule"):
        unpack(tmp_path / "text", tmp_path / "out")
    with pytest.raises(BadInput, match="no records in"):
        pack(Storage.at(tmp_path), tmp_path / "out.tar.zst", SHAPES)


def test_replay_needs_neither_ray_nor_torch(capsule: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rac_ray.results.capsule import derive_again\n"
        "from tests.results.studies import SHAPES\n"
        f"paths = Path({str(capsule)!r}), Path({str(tmp_path / 'again')!r})\n"
        "assert not derive_again(*paths, lambda _: SHAPES).different\n"
        "assert not {'ray', 'torch', 'pytorch_lightning'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
