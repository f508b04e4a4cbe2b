"""A trial, its recipe, and the grid that trials come from: plain data, no torch, no Ray.

One trial is one (model, hidden units, source domain, seed) run. Its id is a hash over exactly what changes its
numbers, so the same trial has the same id in any sweep, on any machine, today and next year.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from rac_ray.errors import BadInput, one_of

TRAINING_VERSION = 1
"""Raised whenever the same trial would train to other numbers; a golden test fails when somebody forgets."""

PAPER_SEEDS = (42, 61, 47, 53, 57)
PAPER_HIDDEN_UNITS = (2, 4, 6, 8, 10, 12, 16, 24, 32, 48)
PRECISIONS = ("auto", "32", "16-mixed", "bf16-mixed")


def seed_for(*parts: int | str) -> int:
    """A 63-bit seed derived from ``parts``: every purpose has its own stream, and adding one moves no other."""
    text = json.dumps(parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are the study's (facts.md section 2)."""

    learning_rate: float = 0.001
    """Constant, for SGD without Nesterov or clipping."""
    momentum: float = 0.9
    weight_decay: float = 1e-5
    batch_size: int = 64
    """Clips per step over all workers together; the last short batch of an epoch is dropped."""
    max_epochs: int = 100
    patience: int = 10
    """Epochs without a strictly better source-validation top-1 before training stops."""
    precision: Literal["auto", "32", "16-mixed", "bf16-mixed"] = "auto"
    """``auto``: 16-bit mixed on a GPU, 32-bit on a CPU; the one used stands in the record."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise one_of("precision", self.precision, PRECISIONS)
        for name in ("batch_size", "max_epochs", "patience"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}; valid: 1 or more")
        if not self.learning_rate > 0:
            raise BadInput(f"learning_rate is {self.learning_rate}; valid: above 0")


PAPER_RECIPES: dict[str, Recipe] = {
    "convlstm": Recipe(max_epochs=100, patience=10),
    "cnn3d": Recipe(max_epochs=100, patience=10),
    "timesformer1": Recipe(max_epochs=300, patience=100),
    "timesformer8": Recipe(max_epochs=300, patience=100),
}
"""The study's budgets; a model that is not named here trains by Recipe's defaults."""


@dataclass(frozen=True)
class Trial:
    """One run of the grid."""

    model: str
    hidden_units: int
    source: str
    """Source domain: a key of the sweep's directions."""
    seed: int
    recipe: Recipe
    data: str
    """Fingerprint of the clips this trial trains and is evaluated on."""
    digits: str
    """Where the digits in those clips come from; repeated here for the reader, part of the fingerprint anyway."""
    experiment: str = ""
    """Diving48: the study's experiment, a to h."""
    size: str = ""
    """Diving48: the model's size by name."""

    @property
    def trial_id(self) -> str:
        """12 hex digits over canonical JSON of all that changes the numbers."""
        content = {
            "model": self.model,
            "hidden_units": self.hidden_units,
            "source": self.source,
            "seed": self.seed,
            "recipe": asdict(self.recipe),
            "data": self.data,
            "training_version": TRAINING_VERSION,
            **self._only_diving48(),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:12]

    @property
    def name(self) -> str:
        """For people: ``convlstm h=4 2dot seed=42``."""
        which = f"{self.experiment} {self.size}".strip() if self.size else f"{self.model} h={self.hidden_units}"
        return f"{which} {self.source} seed={self.seed}"

    def _only_diving48(self) -> dict[str, str]:
        return {name: value for name in ("experiment", "size") if (value := getattr(self, name))}

    def as_dict(self) -> dict[str, Any]:
        """Plain values; without experiment and size where there are none."""
        plain = {name: value for name, value in asdict(self).items() if name not in ("experiment", "size")}
        return {**plain, **self._only_diving48(), "trial_id": self.trial_id, "training_version": TRAINING_VERSION}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Trial":
        names = cls.__dataclass_fields__
        return cls(**{k: v for k, v in value.items() if k in names and k != "recipe"}, recipe=Recipe(**value["recipe"]))


@dataclass(frozen=True)
class Grid:
    """A Cartesian grid of trials and how much data they see."""

    models: tuple[str, ...]
    hidden_units: tuple[int, ...]
    seeds: tuple[int, ...]
    sources: tuple[str, ...]
    train_clips: int = 4000
    val_clips: int = 1000
    test_clips: int = 500
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: PAPER_RECIPES)
    digits: str = "auto"
    """Digits source: ``mnist``, ``optdigits``, or ``auto``."""
    paired_clips: int = 0
    """Counterfactual clips per domain to evaluate on as well, each the same but for its looks in all domains; 0: none,
    and trials have the ids that they had before there were any."""

    def narrowed(self, **axes: Iterable[Any] | None) -> "Grid":
        """The grid with some axes replaced; None leaves an axis as it is, repeated values count once."""
        chosen = {name: tuple(dict.fromkeys(values)) for name, values in axes.items() if values is not None}
        for name, values in chosen.items():
            if not values:
                raise BadInput(f"--{name.replace('_', '-')} names nothing; give one value or more")
        return replace(self, **chosen)

    def recipe(self, model: str) -> Recipe:
        return self.recipes.get(model, Recipe())

    def trials(self, fingerprints: Mapping[str, str], digits: str) -> list[Trial]:
        """All trials, seeds innermost. ``fingerprints`` gives the data fingerprint of each source."""
        return [
            Trial(model, hidden, source, seed, self.recipe(model), fingerprints[source], digits)
            for source in self.sources
            for model in self.models
            for hidden in self.hidden_units
            for seed in self.seeds
        ]
