"""What a study is: data and a few functions. The engine runs, records and shows any of them in one way.

A study of your own is a subclass with a name, presets, the default one's name, ``narrowed``, ``tasks`` and ``prepare``;
everything else has a default. A grid is any object of the study's own that says what is asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rac_ray.data.dataset import Say
from rac_ray.identity import Recipe
from rac_ray.results.claims import Claim
from rac_ray.results.names import UNNAMED, Domains
from rac_ray.results.paper import Drawn, Printed
from rac_ray.results.study_facts import StudyFacts
from rac_ray.store.storage import Storage
from rac_ray.sweep.axes import RECIPE_OPTIONS
from rac_ray.sweep.feeds import FEED, FEED_OPTION
from rac_ray.sweep.forecast import Interval
from rac_ray.sweep.options import Option, words
from rac_ray.sweep.space import SEARCH_OPTIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from rac_ray.data.feed import Feeds, Subject
    from rac_ray.results.analysis import Analysis
    from rac_ray.results.figures import Draw
    from rac_ray.results.sheet import Sheet
    from rac_ray.store.record import Record
    from rac_ray.training.probe import Probe
    from rac_ray.training.task import Task

COMMAND = "{command}"


@dataclass(frozen=True)
class MissingData:
    """The part of a plan's data that has yet to be made."""

    seconds: float = 0.0
    """Time to make it on one core."""
    disk: Interval = field(default_factory=lambda: Interval(0, 0, 0))
    """Bytes; the high end is an upper bound."""

    def __add__(self, other: "MissingData") -> "MissingData":
        return MissingData(self.seconds + other.seconds, self.disk + other.disk)


class Study(ABC):
    """One question with its models, domains, presets and claims."""

    name: str
    """Name of its folder below the storage, as in ``ts_grid``."""
    description: str = ""
    """The text of ``--help``; where it says ``{command}``, help shows the command that was typed."""
    presets: Mapping[str, Any]
    """Grids by name."""
    default_preset: str
    """Name of the preset that ``run`` takes where none is named."""
    options: Sequence[Option] = ()
    """The study's own; those of a recipe's fields come on top (``all_options``)."""
    variants: Mapping[str, Sequence[str]] = {}
    """Values by name, the study's own first, of what changes the clips that models are trained on. Each is an option
    and an axis: a plan has one grid for each combination that is asked for (``narrowed`` is given one value)."""
    edits: Mapping[str, Sequence[str]] = {}
    """The same of what changes only clips that checkpoints are asked about. ``narrowed`` is given all values that are
    asked for; trials and evaluations of another one than the first say so in their ``variant``: ``codec=no``."""
    probe_seconds: float = 1.0
    """Time to probe each model and size before a run, unless somebody says otherwise; 0: no probe."""

    # What is asked for

    @property
    def all_options(self) -> tuple[Option, ...]:
        """All that verbs take: the study's own options, variants and recipes' fields as axes, how clips are fed, a
        search for recipes."""
        own = {option.name: option for option in self.options}
        variants = {name: Option(name, words, _help(name, values)) for name, values in self.every_variant.items()}
        recipes = {option.name: option for option in (*RECIPE_OPTIONS, *SEARCH_OPTIONS)}
        return tuple({**own, **variants, FEED: FEED_OPTION, **recipes, **own}.values())

    @property
    def every_variant(self) -> dict[str, Sequence[str]]:
        """Values of variants and edits, by name."""
        return {**self.variants, **self.edits}

    @abstractmethod
    def narrowed(self, grid: Any, asked: Mapping[str, Any]) -> Any:
        """A preset's grid with the given options in place of its own. Raises BadInput for values that are none."""

    def values(self, grid: Any) -> Mapping[str, str]:
        """The value of each variant in a grid, where that need not be the study's own."""
        return {}

    @abstractmethod
    def tasks(self, grid: Any, data: Storage, precision: str) -> "list[Task]":
        """All trainings of a grid on a data folder, in the order that people read; ``precision`` is what ``auto``
        means.

        Validates what can be known before compute is spent, and writes nothing. Raises BadInput.
        """

    def workers(self, grid: Any) -> int:
        """DDP workers of a training unless somebody says otherwise."""
        return 1

    def data_folder(self, preset: str) -> str:
        """Name of the folder of a preset's shards below the data folder."""
        return f"{self.name}-{preset}"

    # Data

    def folder(self, grid: Any, data: Storage) -> Storage:
        """Folder of a grid's clips, given that of its preset; all functions of the study are given this one."""
        return data

    def provides(self, grid: Any) -> bool:
        """Whether ``provide`` has something to do for a grid."""
        return False

    def provide(self, grid: Any, data: Storage, say: Say) -> None:  # noqa: B027 - most studies have nothing to do
        """Make, on the running Ray, the data that ``tasks`` has to look at. Raises BadInput."""

    @abstractmethod
    def prepare(self, grid: Any, data: Storage, tasks: "Sequence[Task]", say: Say) -> None:
        """Make what data is missing, or check it, on the running Ray. Raises BadInput."""

    def missing(self, grid: Any, data: Storage, tasks: "Sequence[Task]") -> MissingData:
        """What ``prepare`` would have to make."""
        return MissingData()

    def about(self, grid: Any, data: Storage) -> Mapping[str, str]:
        """What readers want to know of the data, as in ``{"classes": "dive, jump"}``."""
        return {}

    def content(self, grid: Any, data: Storage, tasks: "Sequence[Task]") -> Mapping[str, str]:
        """Hash over decoded pixels by ``domain/split`` of prepared data; empty where nobody counts them."""
        return {}

    def made_from(self, grid: Any, data: Storage, task: "Task") -> dict[str, Any] | None:
        """What makes a task's clips again, for its record; None where they cannot be made again."""
        return None

    # Cost

    def assumed(self, task: "Task") -> "Probe | None":
        """The cost of a task's steps where neither a record nor a probe tells of it."""
        return None

    def notes(self, grid: Any, tasks: "Sequence[Task]") -> list[str]:
        """Further lines of a plan."""
        return []

    # Results

    question: str = ""
    """What the study asks, in one sentence that a newcomer understands; empty: one that fits any sweep."""
    domains: Domains = UNNAMED
    """What domains are called and what their clips show, by key; others are called by their key."""
    claims: Sequence[Claim] = ()
    """Claims that a verdict is given on."""
    readings: Sequence[Sequence[Claim]] = ()
    """The claims with each choice of limits that the paper's words allow, as given first; none: only as given."""
    printed_numbers: Printed | None = None
    """What the paper prints of the claims' terms, so that they are looked up in it, too; None: there is no paper."""
    printed: Sequence[str] = ("figure3",)
    """Beginnings of the names of tables that a terminal gets; all are in the files."""

    reference: Path | None = None
    """A capsule of a sweep of the study that was run and may be shown, to set others beside."""

    facts: StudyFacts = StudyFacts()
    """What model and data cards say of the study, its clips and their licences."""

    def class_names(self, classes: int) -> list[str]:
        """What the classes are called."""
        return [str(number) for number in range(classes)]

    def sheets(self, analysis: "Analysis") -> "list[Sheet]":
        """Tables beyond those of every study."""
        return []

    def figures(self, source: str) -> "Mapping[str, Draw]":
        """Figures of a source by the names of their files; the default are those of every study."""
        from rac_ray.results.figures import COMMON

        return COMMON

    def drawn_in_paper(self, source: str) -> Drawn:
        """What the paper's figures of a source show, where there is a paper."""
        return Drawn()

    def clips(self, records: "Sequence[Record]") -> "Callable[[str], NDArray[np.uint8]]":
        """Frames (T, H, W) or (T, H, W, 3) by clip id, of the targets that trials were asked, to the pixel.

        Raises BadInput where they cannot be had.
        """
        from rac_ray.errors import BadInput

        raise BadInput(f"clips of {self.name} are not rendered again")

    def clip_shape(self, record: "Record") -> Sequence[int] | None:
        """Shape (T, C, H, W) of the clips that a finished training's model takes; None: Temporal Shape's."""
        return (record.dataset or {}).get("clip_shape")

    def built(self, record: "Record") -> "nn.Module":
        """A finished training's model, without its weights. Raises BadInput where it cannot be built.

        Options are the model's own, but for its architecture's name and the digest that studies of own clips record.
        """
        from rac_ray.models import build_model

        options = {name: value for name, value in record.options.items() if name not in ("architecture", "weights")}
        if shape := self.clip_shape(record):
            frames, channels, size, _ = shape
            options |= {"num_frames": frames, "channels": channels, "frame_size": size}
        name = record.options.get("architecture", record.model)
        if record.recipe.normalisation != Recipe.normalisation:
            options["normalisation"] = record.recipe.normalisation
        return build_model(name, record.hidden_units, num_classes=record.classes, **options)

    def again(self, record: "Record") -> "tuple[Subject, Feeds]":
        """What a finished training read, in memory, so that it can be trained again without its data folder.

        Raises BadInput where that cannot be had.
        """
        from rac_ray.errors import BadInput

        raise BadInput(f"trials of {self.name} cannot be trained again from their records")


def _help(name: str, values: Sequence[str]) -> str:
    return f"{name.replace('_', ' ')}: {' or '.join(values)}; several are an axis"
