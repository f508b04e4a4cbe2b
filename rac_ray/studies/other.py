"""A study that is defined elsewhere, as far as its records tell: they are shown, and nothing is planned or run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rac_ray.data.dataset import Say
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.study import Study

if TYPE_CHECKING:
    from rac_ray.training.task import Task


class OtherStudy(Study):
    """Common tables and figures, no claims."""

    presets: Mapping[str, Any] = {}
    default_preset = ""

    def __init__(self, name: str) -> None:
        self.name = name

    def narrowed(self, grid: Any, asked: Mapping[str, Any]) -> Any:
        raise self._unknown()

    def tasks(self, grid: Any, data: Storage, precision: str) -> "list[Task]":
        raise self._unknown()

    def prepare(self, grid: Any, data: Storage, tasks: "Sequence[Task]", say: Say) -> None:
        raise self._unknown()

    def _unknown(self) -> BadInput:
        return BadInput(f"study {self.name!r} is not installed here; use the verbs of its own script")
