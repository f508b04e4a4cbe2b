"""What the driver says to a logger's process, and what that does with it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from rac_ray.loggers.protocol import Logger, Run
from rac_ray.loggers.runs import planned_run, read_run
from rac_ray.store.entry import State
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage

FIGURES, REPORT = "figures", "report.html"


class Message(Protocol):
    """One piece of news."""

    def tell(self, ledger: Ledger, logger: Logger) -> None:
        """Have the logger write it."""
        ...


@dataclass(frozen=True)
class Look:
    """A training's records are to be looked at."""

    training_id: str
    state: State | None = None
    """What its driver says; None: the ledger tells."""

    def tell(self, ledger: Ledger, logger: Logger) -> None:
        driver = ledger.driver(watch=False) if self.state is None else None
        run = read_run(ledger, self.training_id, self.state, driver)
        if run is not None:
            logger.write(run)


@dataclass(frozen=True)
class Epoch:
    """A training that runs has reported an epoch."""

    training_id: str
    row: Mapping[str, float]

    def tell(self, ledger: Ledger, logger: Logger) -> None:
        run = _running(ledger, self.training_id)
        logger.write(Run(run.key, run.name, run.state, run.parameters, [self.row]))


@dataclass(frozen=True)
class Files:
    """Figures and report of a sweep have been written to a folder, when so many trials were over."""

    folder: Storage
    step: int

    def tell(self, ledger: Ledger, logger: Logger) -> None:
        names = [f"{FIGURES}/{name}" for name in self.folder.names(FIGURES) if name.endswith(".png")]
        if self.folder.exists(REPORT):
            names.append(REPORT)
        with _on_disk(self.folder, names) as paths:
            logger.attach(self.step, paths)


@lru_cache(maxsize=256)
def _running(ledger: Ledger, training_id: str) -> Run:
    return planned_run(ledger, training_id)


@contextmanager
def _on_disk(folder: Storage, names: list[str]) -> Iterator[dict[str, Path]]:
    """Files by name, on this machine."""
    if folder.is_local:
        yield {name: Path(folder.root, name) for name in names}
        return
    with TemporaryDirectory() as copies:
        for name in names:
            Path(copies, name).parent.mkdir(exist_ok=True)
            Path(copies, name).write_bytes(folder.read_bytes(name))
        yield {name: Path(copies, name) for name in names}
