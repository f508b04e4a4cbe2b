"""The sweep that comes with the package: what it is, that it is whole, and that what is written about it is true."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from docs.reference import by_size
from rac_ray.results.capsule import OUTPUTS, ledger_in, reference_of, unpack
from rac_ray.results.tables import Tables, load
from rac_ray.store.ledger import Ledger
from rac_ray.store.merging import merge
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.study import TemporalShape
from tests.docs.pages import blocks

STUDY = TemporalShape()
MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    assert STUDY.reference is not None
    unpack(STUDY.reference, folder)
    return folder


@pytest.fixture(scope="module")
def tables(unpacked: Path) -> Tables:
    return load(unpacked / "records")


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with ledger_in(reference_of(STUDY)) as found:
        yield found


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The ids of the preset's trials on a processor."""
    data = Storage.at(tmp_path_factory.mktemp("data"))
    return [trial.trial_id for task in STUDY.tasks(STUDY.presets["laptop"], data, "32") for trial in task.asked]


def test_it_is_small_and_of_the_preset(tables: Tables, planned: list[str]) -> None:
    assert STUDY.reference is not None
    assert STUDY.reference.stat().st_size <= MOST_BYTES
    assert set(tables.trials["state"]) == {"done"}
    assert set(tables.trials["trial_id"]) <= set(planned)
    assert all(tables.trials["learned"])


def test_it_can_be_taken_in_and_gone_on_from(ledger: Ledger, tables: Tables, tmp_path: Path) -> None:
    """Every training is checked: its id against its settings, its accuracies against its predictions."""
    mine = Ledger(Storage.at(tmp_path / "ts_grid"))
    merged = merge(mine, ledger, STUDY.name)
    assert not merged.refused
    assert set(merged.copied) == set(tables.trials["training_id"])
    pd.testing.assert_frame_equal(load(tmp_path / "ts_grid").evaluations, tables.evaluations)


def test_no_name_of_a_place_is_in_it(unpacked: Path) -> None:
    texts = [path for path in unpacked.rglob("*") if path.suffix in (".json", ".csv", ".md", ".tex", ".txt")]
    assert len(texts) > 50
    for path in texts:
        assert not re.search(r"/(home|root|tmp|work|Users)/", path.read_text()), path


def test_what_is_written_about_it_is_what_it_says(
    repository: Path, unpacked: Path, tables: Tables, planned: list[str]
) -> None:
    page = (repository / "docs/findings.md").read_text()
    counts = f"{len(tables.trials)} of {len(planned)} trials"
    for name in ("docs/findings.md", "docs/sweeps.md", "README.md"):
        assert counts in " ".join((repository / name).read_text().split()), f"{name} says how much has run"
    for source in tables.trials["source"].unique():
        for table in (f"figure3-{source}", f"figure4-{source}"):
            rows = [line for line in _text(unpacked, f"tables/{table}.md").splitlines() if line.startswith("|")]
            assert "\n".join(rows) in page, f"{table} is on the page as it is"
        assert by_size(unpacked / OUTPUTS / f"tables/accuracy-by-size-{source}.csv") in page
    for figure in re.findall(r"pictures/reference-([\w-]+\.png)", page):
        shown = repository / "docs/pictures" / f"reference-{figure}"
        assert shown.read_bytes() == (unpacked / OUTPUTS / "figures" / figure).read_bytes()


def test_a_reader_gets_the_same_tables_by_the_pages_commands(repository: Path, tmp_path: Path) -> None:
    (block,) = blocks("docs/findings.md", "sh")
    program = str(Path(sys.executable).with_name("rac-ray"))
    said = []
    for line in block.splitlines():
        command = [program, *shlex.split(line)[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode in (0, 3), "Traceback" in done.stderr) == (True, False), done.stdout + done.stderr
        said.append(done.stdout)
    page = " ".join((repository / "docs/findings.md").read_text().split())
    tally = re.search(r"^Verdicts: ([^.]+)\.", said[1], re.MULTILINE)
    assert tally
    assert tally[1] in page


def _text(unpacked: Path, name: str) -> str:
    return (unpacked / OUTPUTS / name).read_text()
