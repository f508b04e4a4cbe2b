"""A sweep in one file: records, predictions, environment and every table and figure, to be derived again elsewhere.

A capsule is a tar of ``records/`` (the ledger's files, with weights where they are asked for), ``outputs/`` (what
``outputs`` wrote from just these records), ``environment.txt`` and, last, ``capsule.json`` with the hash of every file.
The table of predictions is not in it a second time, beside the records: only its hash is. It is compressed with zstd.
Packed twice from the same records by the same libraries it is the same file.
"""

import hashlib
import io
import json
import platform
import sys
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from rac_ray.errors import BadInput
from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import pictures
from rac_ray.results.outputs import TABLES, write_outputs
from rac_ray.results.tables import Tables, load
from rac_ray.store.files import ATTEMPT, EPOCHS, PREDICTIONS, RECORD, TRIAL, is_failure, is_weights
from rac_ray.store.ledger import TRIALS, Ledger
from rac_ray.store.redaction import without_credentials
from rac_ray.store.storage import UNREADABLE, Storage
from rac_ray.sweep.decisions import DECISIONS
from rac_ray.sweep.provenance import commit
from rac_ray.sweep.search import SEARCH

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

CAPSULE, ENVIRONMENT_FILE, RECORDS, OUTPUTS = "capsule.json", "environment.txt", "records", "outputs"
DERIVED = "derived"
"""Folder for the outputs that a replay makes."""
CAPSULE_SCHEMA = 1
TWICE = f"{OUTPUTS}/{TABLES}/{PREDICTIONS}"
"""The output that holds again what most of a capsule's records are."""
KEPT = (TRIAL, RECORD, ATTEMPT, EPOCHS, PREDICTIONS)
"""Files of a trial that go in, besides its failures."""
REFERENCE = "reference"
"""Asks for the sweep that a study's package has (``Study.reference``)."""
LEAST_LIMIT, MOST_TIMES = 2**26, 100
"""A capsule unpacks to so many bytes, and so many times its own, at most: what is in one has been compressed before."""


class Manifest(msgspec.Struct, frozen=True):
    """``capsule.json``."""

    schema: int
    files: dict[str, str]
    """SHA-256 of every other file, by its name."""
    commit: str = ""
    omitted: dict[str, str] = {}
    """SHA-256 of outputs that are not in it, and that a replay derives from its records."""
    planned: int | None = None
    """Trials of the plan that the outputs are of; None: those that have left a trace."""
    title: str = ""
    """What its page is called: the study and the preset, as in ``ts_grid laptop``; empty in those of older versions."""


@dataclass(frozen=True)
class Replay:
    """What came of deriving a capsule's outputs again."""

    folder: Path
    """Folder that the capsule was unpacked to; what was derived again is in ``derived``."""
    same: tuple[str, ...]
    different: tuple[str, ...]
    """Files of which not every byte is the same, or that only one side has."""
    environment: tuple[str, ...]
    """Differences between the environment that packed and this one, a line each."""
    study: "Study"
    """Of which the records are."""


def pack(
    sweep: Storage,
    path: "str | PathLike[str]",
    study: "Study",
    training_ids: Collection[str] | None = None,
    *,
    weights: bool = False,
    planned: int | None = None,
    title: str = "",
) -> int:
    """Write a capsule of a sweep's folder (or of some of its trainings), with its study's results; returns its bytes.

    Of a plan with ``planned`` trials its tables and figures say how many have not run; ``title`` is what its page is
    called. ``path`` is on a disk or in a bucket. Raises BadInput when there are no records.
    """
    with tempfile.TemporaryDirectory(prefix="rac_ray-") as scratch:
        inside = Storage.at(scratch)
        _copy_records(sweep, inside.below(RECORDS), training_ids, weights)
        analysis = Analysis(load(inside.below(RECORDS).root), study, planned)
        write_outputs(analysis, inside.below(OUTPUTS), pictures(analysis))
        inside.write_bytes(ENVIRONMENT_FILE, "".join(f"{line}\n" for line in environment()).encode())
        hashes = {name: _digest(inside.read_bytes(name)) for name in sorted(inside.sizes())}
        omitted = {TWICE: hashes.pop(TWICE)}
        manifest = Manifest(CAPSULE_SCHEMA, hashes, commit(), omitted, planned, title)
        inside.write_bytes(CAPSULE, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        content = _tar({name: inside.read_bytes(name) for name in [*hashes, CAPSULE]})
    place = Storage.at(path)
    place.above.write_bytes(place.name, content)
    return len(content)


def require_writable(path: str) -> None:
    """Raise BadInput where a folder stands in the place of a capsule, or a file in that of its folder."""
    place = Storage.at(path)
    if place.is_local and Path(place.root).is_dir():
        raise BadInput(f"--capsule {path!r} is a folder; valid: a file, as in out.tar.zst")
    place.above.require_folder()


def environment() -> list[str]:
    """Python, machine and every installed package, sorted."""
    packages = {f"{each.metadata['Name']}=={each.version}" for each in distributions()}
    return [f"python=={platform.python_version()}", f"machine=={platform.machine()} {sys.platform}", *sorted(packages)]


def derive_again(path: Path, folder: Path, study_of: "Callable[[Tables], Study]") -> Replay:
    """Unpack a capsule into ``folder``, derive all tables and figures from its records, and compare every byte.

    ``study_of`` tells which study the records are of.

    Raises BadInput for what is no capsule, or one whose files are not what its manifest says, and for a folder in which
    another one has been unpacked: its records would count as this one's.
    """
    inside = Storage.at(folder)
    inside.require_folder()
    if any(inside.exists(name) for name in (CAPSULE, RECORDS, OUTPUTS, DERIVED)):
        raise BadInput(f"{inside.root!r} has the files of a capsule already; valid: a new folder")
    manifest = unpack(path, folder)
    tables = load(inside.below(RECORDS).root)
    study = study_of(tables)
    analysis = Analysis(tables, study, manifest.planned)
    write_outputs(analysis, inside.below(DERIVED), pictures(analysis))
    derived = {name: inside.read_bytes(f"{DERIVED}/{name}") for name in inside.below(DERIVED).sizes()}
    outputs = _below({**manifest.files, **manifest.omitted}, OUTPUTS)
    packed = {name.removeprefix(f"{OUTPUTS}/"): digest for name, digest in outputs.items()}
    names = sorted(packed.keys() | derived.keys())
    same = tuple(name for name in names if name in derived and packed.get(name) == _digest(derived[name]))
    then, now = set(inside.read_bytes(ENVIRONMENT_FILE).decode().splitlines()), set(environment())
    changes = [f"then {line}" for line in sorted(then - now)] + [f"now {line}" for line in sorted(now - then)]
    return Replay(folder, same, tuple(name for name in names if name not in same), tuple(changes), study)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Ledger, Manifest]]:
    """A capsule's ledger, which is unpacked for the duration, and its manifest. Raises BadInput as ``unpack`` does."""
    with tempfile.TemporaryDirectory(prefix="rac_ray-") as scratch:
        manifest = unpack(path, Path(scratch))
        yield Ledger(Storage.at(scratch).below(RECORDS)), manifest


@contextmanager
def ledger_in(source: str) -> Iterator[Ledger]:
    """The ledger in a sweep's folder, or in a capsule, which is unpacked for the duration.

    Raises BadInput for a place that has no trials, and as ``unpack`` does.
    """
    if Path(source).is_file():
        with opened(Path(source)) as (ledger, _):
            yield ledger
        return
    ledger = Ledger(Storage.at(source))
    if not ledger.training_ids():
        raise BadInput(f"there are no trials in {source!r}; valid: a sweep's folder, which has trials/, or a capsule")
    yield ledger


def read_other(source: str, study: "Study") -> tuple[str, Analysis]:
    """Another sweep to set one beside, and its name: a sweep's folder, a capsule, or the study's reference.

    Raises BadInput as ``ledger_in`` and ``place_of`` do.
    """
    with ledger_in(place_of(source, study)) as ledger:
        return source, Analysis(load(ledger.storage.root), study)


def place_of(source: str, study: "Study") -> str:
    """Where a sweep lies that was asked for by its place, or as ``reference``. Raises BadInput as ``reference_of``."""
    return reference_of(study) if source == REFERENCE else source


def reference_of(study: "Study") -> str:
    """Path of the capsule of a study's own sweep. Raises BadInput where it has none."""
    if study.reference is None:
        raise BadInput(f"{study.name} has no {REFERENCE}; valid: a sweep's folder, or a capsule")
    return str(study.reference)


def unpack(path: Path, folder: Path) -> Manifest:
    """Unpack a capsule and return its manifest; every file is checked against it.

    Raises BadInput, before anything is written, for what is no capsule, or one whose files are not what it says.
    """
    try:
        files = _untar(path.read_bytes())
        manifest = msgspec.json.decode(files.pop(CAPSULE), type=Manifest)
        files[ENVIRONMENT_FILE].decode()
    except FileNotFoundError as error:
        raise BadInput(f"there is no capsule at {str(path)!r}") from error
    except KeyError as error:
        raise BadInput(f"{str(path)!r} is not a whole capsule (there is no {error} in it)") from error
    except (*UNREADABLE, OSError, tarfile.TarError, pa.ArrowException) as error:
        raise BadInput(f"{str(path)!r} is not a whole capsule ({error})") from error
    if manifest.schema != CAPSULE_SCHEMA:
        raise BadInput(f"capsule {str(path)!r} has schema {manifest.schema!r}; valid: {CAPSULE_SCHEMA}")
    wrong = sorted(set(files) ^ set(manifest.files))
    wrong += [name for name, content in files.items() if manifest.files.get(name) != _digest(content)]
    if wrong:
        raise BadInput(f"capsule {str(path)!r} was changed: {wrong[0]} is not what its manifest says")
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return manifest


def _copy_records(sweep: Storage, into: Storage, training_ids: Collection[str] | None, weights: bool) -> None:
    """Records are read before all else: tables of a sweep that runs tell of what its records said, and of more."""
    trials = sweep.below(TRIALS)

    def read(of_records: bool) -> dict[str, bytes]:
        return trials.read_all(
            path
            for path in trials.sizes()
            if (training_ids is None or path.partition("/")[0] in training_ids)
            and path.endswith(f"/{RECORD}") == of_records
            and _is_kept(path.rpartition("/")[2], weights)
        )

    found = {**read(of_records=True), **read(of_records=False)}
    if not found:
        raise BadInput(f"no records in {sweep.root!r}; valid: the folder of a sweep, which has trials/")
    for folder in (SEARCH, DECISIONS):
        of_sweep = [name for name in sweep.names(folder) if name.endswith(".json")]
        for name, content in sweep.below(folder).read_all(of_sweep).items():
            into.write_bytes(f"{folder}/{name}", content)
    for name, content in found.items():
        shareable = _without_credentials(content) if is_failure(name.rpartition("/")[2]) else content
        into.write_bytes(f"{TRIALS}/{name}", shareable)


def _without_credentials(failure: bytes) -> bytes:
    """A failure's file, also one that an earlier version wrote, or that is not whole."""
    try:
        return json.dumps(without_credentials(json.loads(failure))).encode()
    except ValueError:
        return without_credentials(failure.decode(errors="replace")).encode()


def _is_kept(name: str, weights: bool) -> bool:
    return name in KEPT or is_failure(name) or (weights and is_weights(name))


def _below(files: Mapping[str, str], folder: str) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name.startswith(f"{folder}/")}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tar(files: Mapping[str, bytes]) -> bytes:
    """A zstd-compressed tar without dates or owners."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return sink.getvalue().to_pybytes()


def _untar(content: bytes) -> dict[str, bytes]:
    """Plain files of a compressed tar by name.

    Raises ValueError for one that is too large, and for anything that is no plain file inside of it.
    """
    most = LEAST_LIMIT + MOST_TIMES * len(content)
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        unpacked = stream.read(most + 1)
    if len(unpacked) > most:
        raise ValueError(f"it unpacks to more than {most} bytes")
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        for entry in archive:
            path = PurePosixPath(entry.name)
            opened = archive.extractfile(entry) if entry.isreg() else None
            if opened is None or path.is_absolute() or ".." in path.parts or str(path) != entry.name:
                raise ValueError(f"{entry.name!r} is no plain file inside of it")
            files[entry.name] = opened.read()
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    if both := sorted(folders & files.keys()):
        raise ValueError(f"{both[0]!r} is a file and a folder")
    return files
