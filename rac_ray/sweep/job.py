"""What goes to the process that makes an attempt: the task, and what all trainings of a run share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.feeds import Way
from rac_ray.sweep.provenance import UNKNOWN
from rac_ray.training.task import Task
from rac_ray.training.watchdog import StallLimits


@dataclass(frozen=True)
class Setting:
    """What all trainings of a run share."""

    ledger: Ledger
    driver: str
    """Token of the run's driver."""
    study: str
    """The name of the study."""
    content: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Hash over decoded pixels by ``domain/split``, by the key of the trainings that read them."""
    workers: int | tuple[int, int] = 1
    """DDP workers per training, or the fewest and the most of a group that shrinks and grows."""
    per_worker: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1})
    """What each worker has of the machine."""
    lost_workers: int = 0
    """Losses of workers from which a group recovers by itself, from its last checkpoint; then the queue tries again."""
    cuda_graphs: bool = False
    """Whether a single worker's steps are recorded on a GPU and replayed."""
    delivered: Way = "resident"
    """How stored clips go to trainings."""
    keep_shards: bool = False
    """Whether clips that are drawn for an epoch are written to the data folder as well."""
    retell: bool = False
    """Whether an attempt that goes on from a checkpoint reports each epoch before it, as it did when it was trained."""
    stall: StallLimits = field(default_factory=StallLimits)
    scratch: str = ""
    """Folder for Ray's own files of a run."""
    commit: str = UNKNOWN
    """Commit of the code that runs."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that it runs on."""

    @property
    def in_groups(self) -> bool:
        """Whether a training has a worker group of its own."""
        return self.workers != 1

    @property
    def most_workers(self) -> int:
        return self.workers if isinstance(self.workers, int) else self.workers[1]


@dataclass(frozen=True)
class Job:
    """One attempt at one task."""

    task: Task
    attempt: int
    """1 for the first."""
    setting: Setting
    host: str
    """Host on which the attempt began."""
    began: float
    """Start of the attempt on that host's monotonic clock, which no change of the date moves."""
    made_from: dict[str, Any] | None = None
    """What makes the task's clips again."""
    clips: Mapping[str, Any] = field(default_factory=dict)
    """References to the clips that lie in the object store, by part."""

    @property
    def training_id(self) -> str:
        return self.task.training_id

    @property
    def content(self) -> Mapping[str, str]:
        """Hash over decoded pixels by ``domain/split``."""
        return self.setting.content.get(self.task.training.clips_key, {})

    @property
    def folder(self) -> Storage:
        return self.setting.ledger.folder(self.training_id)
