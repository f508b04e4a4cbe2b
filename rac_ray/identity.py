"""What a training, a trial and an evaluation are, and their ids: plain data, no torch, no Ray.

A *training* is what it takes to make weights: model, recipe, seed, and the content that it trains and validates on. An
*evaluation* is what it takes to make predictions: a training, one of its checkpoints, and the content of a domain. A
*trial*, as people say it, is a training with the evaluations of the checkpoint that its selection rule names. Whatever
changes the numbers is in an id, and nothing else is: the same training has the same id in any sweep, on any machine.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from rac_ray.errors import BadInput, one_of

MOST_SEED = 2**63 - 1
"""The largest seed, and, below zero, all but the smallest: what tables hold, and torch takes."""
MOST_COUNTED = 1_000_000_000
"""Clips of a step, and epochs, that a recipe may ask for."""
TRAINING_VERSION = 2
"""Raised whenever the same training would end at other numbers; a golden test fails when somebody forgets.

Version 1 had everything that a trial was evaluated on in its id, and batch statistics of each worker alone."""

OPEN_FIELDS = ("stop_at", "clip_norm")
"""Of a recipe, those that may be none."""
PRECISIONS = ("auto", "32", "16-mixed", "bf16-mixed")
OPTIMISERS = ("sgd", "adamw")
SCHEDULES = ("constant", "cosine")
NORMALISATIONS = ("batch", "layer")
VARIED = "recipe"
"""In what is said of a training: its values on the axes of which several are asked for."""
UNEDITED = ("source_val", "source_test")
"""Roles of evaluations that all variants of a trial share."""


def seed_for(*parts: int | str) -> int:
    """A 63-bit seed derived from ``parts``: every purpose has its own stream, and adding one moves no other."""
    text = json.dumps(parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def digest_of(*parts: Any) -> str:
    """16 hex digits over the canonical JSON of ``parts``."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:16]


def values_in(variant: str) -> dict[str, str]:
    """How clips are edited by a trial's or evaluation's variant: ``{"codec": "no"}`` of ``codec=no``; further words of
    it say other things."""
    words = (word.partition("=") for word in variant.replace(";", " ").split())
    return {name: value for name, sign, value in words if sign}


def key_of(values: Mapping[str, str]) -> str:
    """Values by name in one word each: ``flip_validation=no validation=authors``."""
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))


def belongs(role: str, variant: str, trial_variant: str) -> bool:
    """Whether an evaluation in a role is one of the trials of a variant.

    Theirs is edited in their way; the source's validation and test clips are everybody's, unless they are edited, too.
    """
    return values_in(variant) == values_in(trial_variant) or (not variant and role in UNEDITED)


def part_of(target: str, split: str, variant: str = "") -> str:
    """Domain, its variant and split: ``s1/test``, ``s1 codec=no/test``."""
    return f"{target} {variant}/{split}" if variant else f"{target}/{split}"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are the study's (facts.md section 2)."""

    learning_rate: float = 0.001
    momentum: float = 0.9
    """SGD's, without Nesterov; AdamW's first beta."""
    weight_decay: float = 1e-5
    """Added to gradients by SGD, decoupled from them by AdamW."""
    batch_size: int = 64
    """Clips per step over all workers together; the last short batch of an epoch is dropped."""
    max_epochs: int = 100
    patience: int = 10
    """Epochs without a strictly better source-validation top-1 before training stops."""
    stop_at: float | None = None
    """Source-validation top-1 that ends training, too, when it is reached; None: none does."""
    precision: Literal["auto", "32", "16-mixed", "bf16-mixed"] = "auto"
    """``auto`` is resolved before there is a training: 16-bit mixed on GPUs, 32-bit on CPUs."""
    optimiser: Literal["sgd", "adamw"] = "sgd"
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the learning rate, over ``max_epochs``."""
    warm_up: float = 0.0
    """Epochs in which the learning rate rises to its value, step by step."""
    label_smoothing: float = 0.0
    """Share of each label that is spread over all classes, in training."""
    clip_norm: float | None = None
    """Largest norm of a step's gradients, over all weights; None: whatever it is."""
    normalisation: Literal["batch", "layer"] = "batch"
    """For models that have a choice (all but transformers); ``layer`` is over each frame of each clip alone."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None and name not in OPEN_FIELDS:
                raise BadInput(f"{name} is none; valid: a value, only {' and '.join(OPEN_FIELDS)} may be none")
        for name, valid in WORD_FIELDS.items():
            if getattr(self, name) not in valid:
                raise one_of(name, getattr(self, name), valid)
        for name in ("batch_size", "max_epochs", "patience"):
            if not 1 <= getattr(self, name) <= MOST_COUNTED:
                least = "1 or more" if getattr(self, name) < 1 else f"at most {MOST_COUNTED}"
                raise BadInput(f"{name} is {getattr(self, name)}; valid: {least}")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value < high:
                raise BadInput(f"{name} is {value}; valid: from {low:g} to below {high:g}")
        for name in ("learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise BadInput(f"{name} is {value}; valid: above 0")

    @property
    def keeps_rate(self) -> bool:
        """Whether the learning rate is the same in every step."""
        return self.schedule == "constant" and not self.warm_up

    @property
    def same_steps(self) -> bool:
        """Whether every step does the same to the weights: with one rate, no clipping, and no count of steps."""
        return self.optimiser == "sgd" and self.keeps_rate and self.clip_norm is None

    @property
    def stacks(self) -> bool:
        """Whether seeds can train as one model: where losses are scaled, a seed may leave out a step that others make,
        and a count of steps or a norm would have to be its own."""
        return self.same_steps or self.precision != "16-mixed"

    def identity(self) -> dict[str, Any]:
        """What is in a training's id: fields that came later count only where they are not at their defaults, so that
        a new one moves no id."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name in FIRST_FIELDS or getattr(self, each.name) != each.default
        }

    def resolved(self, precision: str) -> "Recipe":
        """This recipe with ``auto`` replaced by ``precision``."""
        return replace(self, precision=precision) if self.precision == "auto" else self


WORD_FIELDS = {
    "precision": PRECISIONS, "optimiser": OPTIMISERS, "schedule": SCHEDULES, "normalisation": NORMALISATIONS,
}  # fmt: skip
"""Valid values of a recipe's fields that are words."""
RANGES = {
    "momentum": (0, 1), "weight_decay": (0, math.inf), "warm_up": (0, math.inf), "label_smoothing": (0, 1),
    "stop_at": (0, math.inf),
}  # fmt: skip
"""Bounds of a recipe's fields that are numbers, the high one excluded."""
FIRST_FIELDS = (
    "learning_rate", "momentum", "weight_decay", "batch_size", "max_epochs", "patience", "stop_at", "precision",
)  # fmt: skip
"""Of a recipe, those that are in every id."""


@dataclass(frozen=True)
class Training:
    """What it takes to make one model's weights."""

    model: str
    hidden_units: int
    source: str
    """Source domain, by the study's name for it."""
    seed: int
    recipe: Recipe
    data: str
    """Digest of the content trained and validated on."""
    size: str = ""
    """The model's size by name, where hidden units do not say all of it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the architecture is built with at that size, beyond hidden units."""
    about: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What readers want to see beside it, as in ``{"digits": "optdigits"}`` of records of 0.1; not in the id."""
    variants: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Value of each of the study's variants, as in ``{"spec": "paper"}``, as far as a trial does not say otherwise; not
    in the id, as ``data`` covers what they change."""

    def __post_init__(self) -> None:
        if abs(self.seed) > MOST_SEED:
            raise BadInput(f"seed is {self.seed}; valid: -{MOST_SEED} to {MOST_SEED}")
        if self.recipe.precision == "auto":
            raise ValueError("a training's precision is resolved before it has an id")

    @property
    def training_id(self) -> str:
        """12 hex digits over canonical JSON of all that changes the numbers."""
        content = {name: value for name, value in asdict(self).items() if name not in ("about", "variants")}
        return digest_of({**content, "recipe": self.recipe.identity(), "training_version": TRAINING_VERSION})[:12]

    @property
    def version(self) -> int:
        """Version of the training's numerics."""
        return TRAINING_VERSION

    @property
    def kind(self) -> str:
        """Trainings of one kind need the same of a machine: ``cnn3d h=4``, or the size's name."""
        return self.size or f"{self.model} h={self.hidden_units}"

    @property
    def name(self) -> str:
        """Name for people: ``convlstm h=4 2dot seed=42``."""
        varied = f" {self.about[VARIED]}" if VARIED in self.about else ""
        return f"{self.kind} {self.source}{varied} seed={self.seed}"

    @property
    def grid_key(self) -> str:
        """Trainings of one key are of one grid: ``flip_validation=no validation=authors``."""
        return key_of(self.variants)

    @property
    def replicates_key(self) -> str:
        """Trainings of one key differ in their seed alone, and read the same clips."""
        return f"{replace(self, seed=0).training_id} {self.clips_key}"

    @property
    def clips_key(self) -> str:
        """Trainings of one key read the same clips: ``2dot spec=released``."""
        return f"{self.source} {self.grid_key}".strip()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``trial.json`` and records."""
        return {**asdict(self), "training_id": self.training_id, "training_version": TRAINING_VERSION}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Training":
        """The training that ``as_dict`` wrote."""
        names = cls.__dataclass_fields__
        return cls(**{k: v for k, v in value.items() if k in names and k != "recipe"}, recipe=Recipe(**value["recipe"]))


@dataclass(frozen=True)
class Trial:
    """A training at the checkpoint that a selection rule names, as people count trials."""

    training: Training
    experiment: str = ""
    """The study's experiment, where it has several of one training."""
    level: float | None = None
    """Source-validation top-1 to which the checkpoint is nearest; None: the best checkpoint."""
    variant: str = ""
    """What makes it another trial of the same training, beyond experiment and level: how its recipe came about, or
    how its clips were edited, as in ``codec=no`` (``values_in``)."""

    @property
    def trial_id(self) -> str:
        """The training's id, or one of its own where a training serves several trials."""
        if self.level is None and not self.variant:
            return self.training.training_id
        own = (self.variant,) if self.variant else ()
        return digest_of(self.training.training_id, self.experiment, self.level, *own)[:12]

    @property
    def name(self) -> str:
        """Name for people: ``convlstm h=4 2dot seed=42``, ``c convlstm-4x128 original seed=42``."""
        return " ".join(part for part in (self.experiment, self.training.name, self.variant) if part)

    def as_dict(self) -> dict[str, Any]:
        """The training's plain values, and the trial's own where it has any."""
        own = {"experiment": self.experiment, "level": self.level} if self.level is not None else {}
        own |= {"variant": self.variant} if self.variant else {}
        return {**self.training.as_dict(), **own, "trial_id": self.trial_id}


@dataclass(frozen=True)
class Evaluation:
    """A domain's clips that a checkpoint is asked about."""

    target: str
    """Domain of the clips."""
    split: str
    role: str
    """``source_val``, ``source_test``, ``target``, or a role of the study's own."""
    content: str
    """Digest of the clips."""
    variant: str = ""
    """How the clips were edited, where that is not the study's default, as in ``codec=no``."""

    @property
    def part(self) -> str:
        """Domain, its variant and split: ``s1/test``, ``s1 codec=no/test``."""
        return part_of(self.target, self.split, self.variant)

    def is_of(self, trial_variant: str) -> bool:
        """Whether trials of a variant have it."""
        return belongs(self.role, self.variant, trial_variant)

    def evaluation_id(self, training_id: str, epoch: int) -> str:
        """12 hex digits: whose checkpoint, of which epoch, was asked about which clips.

        The epoch is what the selection rule came to: two rules that chose the same checkpoint share its predictions.
        """
        return digest_of(training_id, epoch, self.part, self.content)[:12]
