"""Figures and report of a sweep whose storage is a bucket reach a logger as files of this machine."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from rac_ray.loggers.messages import Files
from rac_ray.loggers.protocol import Run
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from tests.object_server import CREDENTIALS, object_server


class Reader:
    """Keeps what is attached."""

    def __init__(self) -> None:
        self.attached: dict[str, bytes] = {}

    def write(self, run: Run) -> None:
        raise AssertionError("there is no run")

    def attach(self, step: int, files: Mapping[str, Path]) -> None:
        self.attached = {f"{step} {name}": path.read_bytes() for name, path in files.items()}

    def close(self) -> None:
        """Nothing is open."""


def attached(folder: Storage) -> dict[str, bytes]:
    """What a logger gets of a folder with two figures, in two formats, and a report."""
    for name in ("figures/a.png", "figures/a.svg", "figures/b.png", "report.html", "forecast.json"):
        folder.write_bytes(name, name.encode())
    reader = Reader()
    Files(folder, 3).tell(Ledger(folder), reader)
    return reader.attached


EXPECTED = {f"3 {name}": name.encode() for name in ("figures/a.png", "figures/b.png", "report.html")}


def test_of_a_folder(tmp_path: Path) -> None:
    assert attached(Storage.at(tmp_path)) == EXPECTED


def test_of_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with object_server() as server:
        assert attached(Storage.at(server.uri("shown"))) == EXPECTED
