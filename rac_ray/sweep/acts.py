"""What comes of verbs that change something and run no trial: cancel, clean, import, and a run that is submitted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rac_ray.counted import counted
from rac_ray.errors import DONE, FAILED

if TYPE_CHECKING:
    from rac_ray.store.merging import Merged
    from rac_ray.sweep.jobs import SubmittedJob


@dataclass(frozen=True)
class Cancelled:
    """What came of asking a driver to stop."""

    driver: str | None
    """The process that drove the sweep; None: there was none."""
    stopped: bool
    job_id: str | None = None
    """Id of a Ray job that was told to stop."""

    @property
    def code(self) -> int:
        return DONE if self.stopped or self.job_id else FAILED

    def value(self) -> dict[str, Any]:
        return {"driver": self.driver, "stopped": self.stopped, "job_stopped": self.job_id is not None}

    def lines(self) -> list[str]:
        ended = "has stopped" if self.stopped or self.job_id else "does not answer"
        said = f"{self.driver} {ended}" if self.driver else "no driver runs"
        return [said, *([f"job {self.job_id} was told to stop"] if self.job_id else [])]


@dataclass(frozen=True)
class Cleaned:
    """What nothing needs any more."""

    files: Mapping[str, int]
    """Bytes by path in the sweep's folder."""
    freed: int
    """Bytes of those that were deleted."""
    deleted: bool
    code: int = DONE

    @property
    def bytes(self) -> int:
        return sum(self.files.values())

    def value(self) -> dict[str, Any]:
        return {"files": dict(self.files), "bytes": self.bytes, "freed": self.freed}

    def lines(self) -> list[str]:
        then = "freed" if self.deleted else "to free; `clean --yes` does it"
        lines = [f"{size / 1e6:9.3f} MB  {name}" for name, size in sorted(self.files.items())]
        return [*lines, f"{counted(len(self.files), 'file')}, {self.bytes / 1e6:.1f} MB {then}"]


@dataclass(frozen=True)
class TakenIn:
    """Finished trials that came from another sweep."""

    source: str
    folder: str
    """The sweep that they came to."""
    merged: "Merged"

    @property
    def code(self) -> int:
        return FAILED if self.merged.refused else DONE

    def value(self) -> dict[str, Any]:
        return {"source": self.source, "folder": self.folder, **asdict(self.merged)}

    def lines(self) -> list[str]:
        merged = self.merged
        return [
            *(f"REFUSED {training_id}: {reason}" for training_id, reason in merged.refused.items()),
            *(f"kept ours {training_id}: {difference}" for training_id, difference in merged.kept.items()),
            *(f"{training_id}: {counted(count, 'more evaluation')}" for training_id, count in merged.added.items()),
            *(
                [f"weights of {counted(len(merged.weights), 'training')} came that had none here"]
                if merged.weights
                else []
            ),
            f"{counted(len(merged.copied), 'finished training')} came from {self.source} to {self.folder}; "
            f"with more evaluations: {len(merged.added)}, here already: {len(merged.same)}, "
            f"different: {len(merged.kept)}, refused: {len(merged.refused)}",
        ]


@dataclass(frozen=True)
class Submitted:
    """A run that a cluster has taken over."""

    job: "SubmittedJob"
    watch: str
    """Arguments that ask after it."""
    code: int = DONE

    def value(self) -> dict[str, Any]:
        return self.job.as_dict()

    def lines(self) -> list[str]:
        return [f"submitted {self.job.job_id} to {self.job.address}", f"watch it with: {self.watch}"]
