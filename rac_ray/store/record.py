"""A finished training's record: what it was, what it came to, and what its checkpoints scored. One writer, one reader.

``record.json`` is schema 2. Records of schema 1 (0.1: one trial each, with everything that it was evaluated on in its
id) are read as what they are: their ids and their training version stay.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

import msgspec

from rac_ray.errors import BadInput
from rac_ray.identity import MOST_SEED, Evaluation, Recipe, Training, Trial, belongs, part_of
from rac_ray.store.storage import UNREADABLE

SCHEMA = 2
MOST = 2**63 - 1
MOST_CLASSES = 65_536
LONGEST_SECONDS = 1e10
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Classes = Annotated[int, msgspec.Meta(ge=1, le=MOST_CLASSES)]
Seed = Annotated[int, msgspec.Meta(ge=-MOST_SEED, le=MOST_SEED)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SECONDS)]
"""What numbers of a record can be, so that one of other values is damaged, wherever it was written."""
Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{12}\Z")]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[^/\x00-\x1f]+\Z", max_length=128)]
"""What can be the name of a file, or a part of one."""


class Damaged(BadInput):
    """A file of a ledger that is not what it should be; the sentence names it."""


class Versioned(Protocol):
    """A struct that says of which schema it is."""

    @property
    def schema(self) -> int: ...


Kind = TypeVar("Kind", bound=Versioned)


def decoded(content: bytes, kind: type[Kind], schema: int, address: str, what: str) -> Kind:
    """A file's struct. Raises Damaged, with the ``address``, for what is not ``what`` it should be."""
    try:
        found = msgspec.json.decode(content, type=kind)
    except (*UNREADABLE, BadInput) as error:
        raise Damaged(f"{address} is not the record of {what}: {error}") from error
    if found.schema != schema:
        raise Damaged(f"{address} has schema {found.schema}; valid: {schema}")
    return found


def encoded(record: msgspec.Struct) -> bytes:
    """A struct's file: JSON that people can read, the same for the same values."""
    return msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=1)


TOLERANCE = 1e-6
"""By which top-1 may be off from the clips that were counted."""


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """What one checkpoint scored on one evaluation set."""

    evaluation_id: str
    """Empty in records of schema 1."""
    epoch: Count
    target: Name
    split: Name
    role: str
    content: str
    """Digest of the clips; empty in records of schema 1."""
    variant: str = ""
    clips: Positive
    correct: Count
    top1: Share
    top5: Share | None = None

    def __post_init__(self) -> None:
        if abs(self.top1 * self.clips - self.correct) > TOLERANCE * self.clips:
            raise ValueError(f"top-1 of {self.part} is {self.top1}, with {self.correct} of {self.clips} clips")

    @property
    def part(self) -> str:
        """Domain, its variant and split: ``s1/test``, ``s1 codec=no/test``."""
        return part_of(self.target, self.split, self.variant)

    def is_of(self, trial_variant: str) -> bool:
        """Whether trials of a variant have it."""
        return belongs(self.role, self.variant, trial_variant)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoint that the selection rule came to."""

    level: float | None
    epoch: Count
    val_top1: Share
    reached: bool = True


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that a training serves."""

    trial_id: Id
    experiment: str = ""
    level: float | None = None
    variant: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a training is, as ``identity.Training`` has it."""

    model: str
    hidden_units: Positive
    source: Name
    seed: Seed
    recipe: Recipe
    data: str
    size: str = ""
    options: dict[str, Any] = {}
    about: dict[str, str] = {}
    variants: dict[str, str] = {}
    """Empty in files of older versions, which know the study's defaults only."""


class Planned(Settings, frozen=True, kw_only=True):
    """What ``trial.json`` says of a training and of each of its trials; it may say more."""

    study: str = ""
    level: float | None = None
    experiment: str = ""
    variant: str = ""


def read_plan(content: bytes, where: str) -> dict[str, Any]:
    """The plain values in the bytes of a ``trial.json``. Raises Damaged for anything else."""
    try:
        value = msgspec.json.decode(content, type=dict[str, Any])
        for each in (value, *value.get("trials", ())):
            msgspec.convert(each, Planned)
        msgspec.convert(value.get("trials", [value]), list[Named])
    except (*UNREADABLE, TypeError, BadInput) as error:
        raise Damaged(f"{where} is not the plan of a training: {' '.join(str(error).split())[:200]}") from error
    return value


class Record(Settings, frozen=True, kw_only=True):
    """All of ``record.json``."""

    schema: int = SCHEMA
    study: str
    training_id: Id
    training_version: Count
    trials: list[Named]
    selection_rule: str
    best_epoch: Count
    best_val_top1: Share
    epochs: Positive
    """Number of epochs that were trained."""
    kept: list[tuple[Count, Share]] = []
    """Epoch and validation top-1 of the checkpoints that levels may choose from."""
    selected: list[Checkpoint]
    evaluations: list[Evaluated]
    """Evaluations of all checkpoints, oldest first."""
    parameters: Count
    classes: Classes
    content: dict[str, str] = {}
    """Hash over decoded pixels by ``domain/split``."""
    dataset: dict[str, Any] | None = None
    """What the clips were made from, if they can be made again."""
    way: str = ""
    """How training clips came: resident, streamed or online; empty in records of older versions."""
    device: str
    workers: Positive
    per_worker: dict[str, float] = {}
    cuda_graphs: bool = False
    stacked: Positive = 1
    """Seeds that trained in one process as one model; times and memory are shares of it."""
    attempt: Count = 1
    host: str
    python: str
    commit: str
    versions: dict[str, str]
    peak_bytes: Count = 0
    seconds: dict[str, Seconds]
    finished_at: str

    def checkpoint(self, level: float | None) -> Checkpoint | None:
        """The one that a level came to (None: the best one), if the record knows."""
        return next((each for each in self.selected if each.level == level), None)

    def evaluations_of(self, trial: Named, wanted: Mapping[str, str] | None = None) -> list[Evaluated]:
        """What a trial's checkpoint scored, one per part, edited in the trial's way: of the content that ``wanted``
        names by part, or, without it, of the newest."""
        checkpoint = self.checkpoint(trial.level)
        if checkpoint is None or not checkpoint.reached:
            return []
        mine = [each for each in self.evaluations if each.epoch == checkpoint.epoch and each.is_of(trial.variant)]
        if wanted is None or self.schema == 1:
            return list({each.part: each for each in mine}.values())
        return [each for each in mine if wanted.get(each.part) == each.content]

    def training(self) -> Training:
        """The training, whose id is the record's unless its version is an older one."""
        names = Training.__dataclass_fields__
        return Training(**{name: getattr(self, name) for name in names})

    def ended_at(self) -> float:
        """When it was written, in seconds since 1970."""
        return datetime.fromisoformat(self.finished_at).timestamp()

    def as_json(self) -> bytes:
        """The content of ``record.json``, with keys in a fixed order. Raises Damaged for values that no record has,
        such as NaN."""
        content = encoded(self)
        read_record(content)
        return content


def named(trial: Trial) -> Named:
    """A trial as records have it."""
    return Named(trial_id=trial.trial_id, experiment=trial.experiment, level=trial.level, variant=trial.variant)


def with_trials(record: Record, trials: Iterable[Trial]) -> Record:
    """The record of a training that serves these trials, too."""
    served = {each.trial_id: each for each in (*record.trials, *map(named, trials))}
    return msgspec.structs.replace(record, trials=list(served.values()))


def evaluated(evaluation: Evaluation, training_id: str, epoch: int, **counts: Any) -> Evaluated:
    """An evaluation with what came of it."""
    return Evaluated(
        evaluation_id=evaluation.evaluation_id(training_id, epoch),
        epoch=epoch,
        target=evaluation.target,
        split=evaluation.split,
        role=evaluation.role,
        content=evaluation.content,
        variant=evaluation.variant,
        **counts,
    )


def read_record(content: bytes, where: str = "record.json") -> Record:
    """The record in a file's bytes. Raises Damaged when it is none, or of a later schema."""
    try:
        value = msgspec.json.decode(content)
        schema = value["schema"]
        if schema == 1:
            value = _of_schema_1(value)
        elif schema != SCHEMA:
            raise Damaged(f"{where} has schema {schema!r}; valid: 1 and {SCHEMA}")
        record = msgspec.convert(value, Record, strict=True)
        for needed in (record.training, record.ended_at, lambda: record.seconds["total"]):
            needed()
    except Damaged:
        raise
    except (*UNREADABLE, KeyError, TypeError, AttributeError, BadInput) as error:
        raise Damaged(f"{where} is not a record: {' '.join(str(error).split())[:200]}") from error
    return record


STUDIES_OF_SCHEMA_1 = {"original": "diving48"}
"""Studies by source domain; all others were Temporal Shape's."""


def _of_schema_1(old: Mapping[str, Any]) -> dict[str, Any]:
    """One trial of version 0.1 as a training that serves it."""
    level, epoch = old.get("level"), old["best_epoch"]
    own = {"experiment": old.get("experiment", ""), "level": level}
    about = {"digits": old["digits"]} if old.get("digits") not in (None, "none") else {}
    recipe = {**old["recipe"], "precision": old.get("precision_used", old["recipe"]["precision"])}
    return {
        **{name: value for name, value in old.items() if name not in ("options", "trial_id")},
        "study": STUDIES_OF_SCHEMA_1.get(old["source"], "temporal_shape"),
        "training_id": old["trial_id"],
        "training_version": old.get("training_version", 1),
        "recipe": recipe,
        "about": about,
        "trials": [{"trial_id": old["trial_id"], **own}],
        "selected": [{"level": level, "epoch": epoch, "val_top1": old["best_val_top1"]}],
        "evaluations": [{"evaluation_id": "", "epoch": epoch, "content": "", **each} for each in old["evaluations"]],
        "classes": old.get("classes", 5),
    }
