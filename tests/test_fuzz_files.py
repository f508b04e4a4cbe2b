"""Any file that the product writes, damaged in any way: verbs leave it out or say so in one sentence, and go on."""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rac_ray.cli.command import main
from rac_ray.errors import BadInput
from rac_ray.results.analysis import Analysis
from rac_ray.results.capsule import CAPSULE, pack
from rac_ray.results.tables import load
from rac_ray.store import lock
from rac_ray.store.record import read_record
from rac_ray.store.storage import Storage
from rac_ray.studies import study_of
from tests.fuzzing import STUDY, TEXTS, Sweep, damaged, fuzzed, make_sweep, other_bytes, said

pytestmark = pytest.mark.slow

SWEEP = f"results/{STUDY.name}"
Read = Callable[[Sweep, str], object]


@contextmanager
def new_folder(sweep: Sweep, name: str) -> Iterator[Path]:
    """A folder beside the sweep's, for the duration."""
    try:
        yield sweep.folder / name
    finally:  # hypothesis gives an example up in the middle
        shutil.rmtree(sweep.folder / name, ignore_errors=True)


class Packed(bytes):
    """Bytes that hypothesis notes by their number."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes"


def tables_of(sweep: Sweep, _trial: str) -> None:
    """What Python reads, and the tables that follow."""
    with new_folder(sweep, "tables") as folder, suppress(BadInput):
        tables = load(sweep.root)
        tables.write(Storage.at(folder))
        assert load(folder).trials["trial_id"].tolist() == tables.trials["trial_id"].tolist()


def sheets_of(sweep: Sweep, _trial: str) -> None:
    """All that is computed from the records."""
    with suppress(BadInput):
        tables = load(sweep.root)
        assert Analysis(tables, study_of(tables)).sheets


def take_in(sweep: Sweep, _trial: str) -> None:
    """Another sweep takes its trials in."""
    with new_folder(sweep, "mine"):
        sweep.verb("import", str(sweep.root), storage="mine")


def results_of(sweep: Sweep, _trial: str) -> None:
    """With figures and a page."""
    with new_folder(sweep, "shown") as folder:
        sweep.verb("results", "--to", str(folder), "--verdict")
        said(main, "results", str(sweep.root), "--to", str(folder), "--no-report")


def of_clips(verb: str) -> Read:
    """A verb on the data folder."""
    return lambda sweep, _trial: said(main, "data", verb, str(sweep.folder / "data"), *MORE.get(verb, []))


MORE = {"generate": ["--source=2dot", "--train-clips=16", "--val-clips=100", "--test-clips=100", "--dry-run"]}
VERBS: dict[str, Read] = {
    "status": lambda sweep, _trial: sweep.verb("status", "--verbose"),
    "describe": lambda sweep, trial: sweep.verb("describe", trial),
    "plan": lambda sweep, _trial: sweep.verb("plan", "--probe-seconds=0", "--list"),
    "retry": lambda sweep, _trial: sweep.verb("retry", "--probe-seconds=0", "--dry-run"),
    "clean": lambda sweep, _trial: sweep.verb("clean"),
    "verify": of_clips("verify"),
    "preview": lambda sweep, _trial: said(main, "data", "preview", str(sweep.folder / "data"), "--out=pictures"),
    "generate": of_clips("generate"),
    "tables": tables_of,
    "sheets": sheets_of,
    "import": take_in,
    "results": results_of,
}
FILES = {
    f"{SWEEP}/trials/{{running}}/trial.json": "status describe plan tables",
    f"{SWEEP}/trials/{{done}}/trial.json": "describe tables import",
    f"{SWEEP}/trials/{{done}}/record.json": "status describe plan tables import",
    f"{SWEEP}/trials/{{running}}/attempt.json": "status describe plan tables",
    f"{SWEEP}/trials/{{failed}}/failure-001.json": "status describe retry tables",
    f"{SWEEP}/trials/{{done}}/epochs.parquet": "status describe retry tables import",
    f"{SWEEP}/trials/{{done}}/predictions.parquet": "status describe retry tables import",
    f"{SWEEP}/driver.json": "status describe clean",
    f"{SWEEP}/progress.json": "status",
    f"{SWEEP}/job.json": "status",
    f"{SWEEP}/search/*.json": "status plan clean tables",
    f"{SWEEP}/decisions/*.json": "status plan tables",
    f"{SWEEP}/small/options.json": "status describe plan",
    f"{SWEEP}/small/forecast.json": "status plan",
    "results/probes.json": "plan",
    "data/manifest.json": "plan verify preview generate",
    "data/2dot/test-00000-of-00001.parquet": "verify preview generate",
}
"""Every kind of file, and what reads it."""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "BEAT_SECONDS", 0.01)  # else a driver on another machine is watched for 15 seconds
        patch.chdir(tmp_path_factory.mktemp("here"))
        yield make_sweep(tmp_path_factory.mktemp("fuzz"))


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """A file with another content, for the duration."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.fixture(scope="module")
def states(sweep: Sweep) -> dict[str, str]:
    """State by trial of the sweep as it was made."""
    return sweep.states()


@pytest.fixture(scope="module")
def trials(sweep: Sweep) -> dict[str, str]:
    """A training in each state of which there are files of its own."""
    return {state: sweep.trial(state) for state in ("done", "failed", "running")}


@pytest.mark.parametrize("place", FILES)
@fuzzed(15)
@given(data=st.data())
def test_a_damaged_file(
    place: str, sweep: Sweep, states: dict[str, str], trials: dict[str, str], data: st.DataObject
) -> None:
    path = next(sweep.folder.glob(place.format(**trials)))
    mine = path.parent.name if path.parent.parent.name == "trials" else trials["done"]
    content = data.draw(damaged(path.read_bytes(), path.name))
    with replaced(path, content):
        for verb in FILES[place].split():
            VERBS[verb](sweep, mine)
        after = sweep.states()
    if path.name == "record.json" and after.get(mine) == "done":
        assert read_record(content).training_id == mine
    kept = {"running", "pending"} if path.name in ("driver.json", "attempt.json") else set()
    for trial, state in after.items():
        assert state == states.get(trial, state) or trial == mine or {state, states[trial]} == kept


@pytest.mark.parametrize("place", [place for place in FILES if "tables" in FILES[place]])
@fuzzed(3)
@given(data=st.data())
def test_what_follows_from_a_damaged_file(
    place: str, sweep: Sweep, trials: dict[str, str], data: st.DataObject
) -> None:
    path = next(sweep.folder.glob(place.format(**trials)))
    with replaced(path, data.draw(damaged(path.read_bytes(), path.name))):
        VERBS["sheets"](sweep, "")


@pytest.mark.parametrize("name", ["record.json", "predictions.parquet"])
@fuzzed(1)
@given(data=st.data())
def test_figures_and_page_of_a_damaged_file(
    name: str, sweep: Sweep, trials: dict[str, str], data: st.DataObject
) -> None:
    path = sweep.root / "trials" / trials["done"] / name
    with replaced(path, data.draw(damaged(path.read_bytes(), name))):
        VERBS["results"](sweep, "")


@pytest.mark.parametrize("name", ["trials", "epochs", "evaluations", "predictions", "failures", "candidates", "looks"])
@fuzzed(15)
@given(data=st.data())
def test_a_damaged_table(name: str, sweep: Sweep, data: st.DataObject) -> None:
    """Of those that `results` writes, which can be loaded without records."""
    with new_folder(sweep, "stored") as folder:
        load(sweep.root).write(Storage.at(folder))
        path = folder / f"{name}.parquet"
        path.write_bytes(data.draw(damaged(path.read_bytes(), path.name)))
        with suppress(BadInput):
            load(folder)


@pytest.fixture(scope="module")
def capsule(sweep: Sweep) -> bytes:
    """The sweep in one file."""
    path = sweep.folder / "whole.tar.zst"
    pack(Storage.at(sweep.root), path, STUDY)
    return path.read_bytes()


def files_in(capsule: bytes) -> dict[str, bytes]:
    """What a capsule holds."""
    with pa.CompressedInputStream(pa.BufferReader(capsule), "zstd") as stream:
        unpacked = io.BytesIO(stream.read())
    with tarfile.open(fileobj=unpacked) as archive:
        return {entry.name: (archive.extractfile(entry) or io.BytesIO()).read() for entry in archive}


def capsule_of(files: dict[str, bytes]) -> bytes:
    """A capsule of these files, in whose manifest each has its own hash, as somebody would make it on purpose."""
    told = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != CAPSULE}
    files = {CAPSULE: json.dumps({"schema": 1, "files": told}).encode(), **files}
    sink, plain = pa.BufferOutputStream(), io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(plain.getvalue())
    return sink.getvalue().to_pybytes()


@st.composite
def other_capsule(draw: st.DrawFn, capsule: bytes) -> bytes:
    """A capsule that was cut off or changed, or one of whose files was, or is gone."""
    if draw(st.booleans()):
        return draw(other_bytes(capsule))
    files = files_in(capsule)
    names = [name for name in files if name.startswith("records/") or name == CAPSULE] + ["environment.txt"]
    name = draw(st.sampled_from(names))
    rest = {other: content for other, content in files.items() if other not in (name, CAPSULE)}
    if draw(st.integers(0, 4)) == 0:
        return capsule_of({**rest, **draw(st.dictionaries(TEXTS, st.binary(max_size=9), max_size=1))})
    json_or_table = name.endswith((".json", ".parquet"))
    other = damaged(files[name], name) if json_or_table else other_bytes(files[name])
    return capsule_of({**rest, name: draw(other)})


@fuzzed(60)
@given(data=st.data())
def test_a_damaged_capsule_is_taken_in_or_refused(sweep: Sweep, capsule: bytes, data: st.DataObject) -> None:
    with new_folder(sweep, "theirs") as folder:
        folder.mkdir()
        (folder / "theirs.tar.zst").write_bytes(data.draw(other_capsule(capsule).map(Packed)))
        sweep.verb("import", str(folder / "theirs.tar.zst"), storage="theirs/mine")


@fuzzed(20)
@given(data=st.data())
def test_a_damaged_capsule_is_ranked_or_refused(sweep: Sweep, capsule: bytes, data: st.DataObject) -> None:
    with new_folder(sweep, "theirs") as folder:
        folder.mkdir()
        (folder / "theirs.tar.zst").write_bytes(data.draw(other_capsule(capsule).map(Packed)))
        both = [str(sweep.root), str(folder / "theirs.tar.zst")]
        said(main, "results", *both, "--leaderboard", "--to", str(folder / "board"))


@fuzzed(2)
@given(data=st.data())
def test_a_damaged_capsule_is_derived_again_or_refused(sweep: Sweep, capsule: bytes, data: st.DataObject) -> None:
    with new_folder(sweep, "theirs") as folder:
        folder.mkdir()
        (folder / "theirs.tar.zst").write_bytes(data.draw(other_capsule(capsule).map(Packed)))
        said(main, "replay", str(folder / "theirs.tar.zst"), "--to", str(folder / "again"))
