"""Sweeps that are entered on a leaderboard: folders and capsules, what each says of itself and asked its trials."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rac_ray.errors import BadInput
from rac_ray.results.capsule import REFERENCE, ledger_in, opened, reference_of
from rac_ray.results.summaries import FIGURE3_ROLES
from rac_ray.results.tables import Tables, load
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.remembered import OPTIONS

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

StudyOf = Callable[[Tables], "Study"]
DIGEST_LETTERS = 12


class Asked(NamedTuple):
    """One evaluation set, and what for it is asked."""

    role: str
    target: str
    split: str
    content: str
    """Digest of its clips."""

    @property
    def part(self) -> str:
        return f"{self.target}/{self.split}"


class Ground(NamedTuple):
    """What trials have in common that can be compared."""

    study: str
    source: str
    data: str
    """Digest of the clips that were trained on and validated with."""
    asked: tuple[Asked, ...]
    """Sets of the source and of targets, sorted."""


@dataclass(frozen=True)
class Entered:
    """One sweep."""

    name: str
    """What it was asked for by: a folder, a capsule, ``reference``."""
    preset: str
    """Presets that were run, as far as it tells."""
    digest: str
    """Beginning of the SHA-256 of a capsule; empty for a folder, which may change."""
    study: "Study"
    tables: Tables
    grounds: dict[str, Ground]
    """By id of each finished trial."""


def enter(sources: Sequence[str], study_of: StudyOf) -> list[Entered]:
    """Sweeps in the order in which they are named, each once. ``study_of`` tells of which study records are.

    ``reference`` is that of the first other sweep's study. Raises BadInput for a place without a finished trial, and as
    ``ledger_in`` does.
    """
    named = list(dict.fromkeys(sources))
    found = {source: _read(source, source, study_of) for source in named if source != REFERENCE}
    if REFERENCE in named:
        if not found:
            raise BadInput(f"{REFERENCE} of which study? valid: beside a sweep's folder or a capsule")
        found[REFERENCE] = _read(REFERENCE, reference_of(next(iter(found.values())).study), study_of)
    return [found[source] for source in named]


def _read(name: str, source: str, study_of: StudyOf) -> Entered:
    with _at(source) as (ledger, preset, digest):
        tables = load(ledger.storage.root)
        study = study_of(tables)
        grounds = _grounds(ledger, study.name, set(tables.evaluations["trial_id"]))
    if not grounds:
        raise BadInput(
            f"no trial of {name!r} has finished and tells its accuracy at home: there is nothing to rank yet"
        )
    return Entered(name, preset, digest, study, tables, grounds)


@contextmanager
def _at(source: str) -> Iterator[tuple[Ledger, str, str]]:
    """A sweep's ledger, its preset, and its digest if it is a capsule."""
    path = Path(source)
    if path.is_file():
        with opened(path) as (ledger, manifest):
            yield ledger, manifest.title, hashlib.sha256(path.read_bytes()).hexdigest()[:DIGEST_LETTERS]
        return
    with ledger_in(source) as ledger:
        yield ledger, _presets(ledger.storage), ""


def _presets(sweep: Storage) -> str:
    """Presets that have been run in a sweep's folder."""
    return ", ".join(name for name in sorted(sweep.names()) if sweep.exists(f"{name}/{OPTIONS}"))


def _grounds(ledger: Ledger, study: str, finished: Collection[str]) -> dict[str, Ground]:
    """What trials have in common, by id; their tables were read before, so that damaged ones are not ``finished``."""
    found = {}
    for entry in ledger.scan(whole=False).values():
        record = entry.record
        for trial in record.trials if record else ():
            if record is None or trial.trial_id not in finished:
                continue
            sets = [each for each in record.evaluations_of(trial) if each.role in FIGURE3_ROLES]
            asked = sorted({Asked(each.role, each.target, each.split, each.content) for each in sets})
            if any(each.role == "source_val" for each in asked):
                found[trial.trial_id] = Ground(study, record.source, record.data, tuple(asked))
    return found


def apart(ground: Ground, first: Ground, names: Callable[[str], str]) -> str:
    """Why trials of a ground are not compared with those of the first one; ``names`` says what domains are called."""
    if ground.study != first.study:
        return f"they are of the study {ground.study}, not {first.study}"
    if ground.source != first.source:
        return f"they were trained on {names(ground.source)}, not {names(first.source)}"
    mine, other = ({each.part: each for each in of.asked} for of in (ground, first))
    if mine.keys() != other.keys():
        more, less = (sorted(one - two) for one, two in ((mine.keys(), other.keys()), (other.keys(), mine.keys())))
        told = [
            f"they were {how}asked about {', '.join(which)}" for how, which in (("", more), ("not ", less)) if which
        ]
        return " and ".join(told)
    if ground.data != first.data:
        return "they were trained or validated on other clips"
    others = sorted(part for part in mine if mine[part] != other[part])
    return f"they were asked about other clips of {', '.join(others)}"
