"""One trial with what its training's folder tells of it, and its rows in the tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from rac_ray.identity import VARIED, Training, values_in
from rac_ray.results.candidates import in_words
from rac_ray.results.columns import (
    EXPERIMENT,
    KEY,
    OUTCOME,
    SIZE_NAME,
    STUDY,
    VARIANT,
)
from rac_ray.results.robustness import above_chance, chance_corrected_ratio, robustness_ratio
from rac_ray.store.entry import Entry, State
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Checkpoint, Evaluated, Named, Record, named
from rac_ray.store.redaction import without_credentials
from rac_ray.training.task import Task


@dataclass(frozen=True)
class Told:
    """One trial with what its training's folder tells of it."""

    trial: Mapping[str, Any]
    """Plain values, as ``Trial.as_dict`` has them."""
    study: str
    state: State
    reason: str
    record: Record | None = None
    checkpoint: Checkpoint | None = None
    evaluations: Sequence[Evaluated] = ()

    @property
    def training_id(self) -> str:
        return self.trial.get("training_id", self.trial["trial_id"])

    @property
    def variants(self) -> dict[str, str]:
        """Values of the study's variants; those of which older versions did not tell are the study's own."""
        from rac_ray.studies import own_values

        said = {**self.trial.get("variants", {}), **values_in(self.trial.get(VARIANT, ""))}
        return {**own_values(self.study), **dict(sorted(said.items()))}

    @property
    def named(self) -> dict[str, Any]:
        """What evaluations repeat of their trial."""
        own = ("trial_id", *KEY, SIZE_NAME, EXPERIMENT, VARIANT, "data")
        values = {name: self.trial.get(name, "") for name in own}
        said = self.trial.get("about", {}).items()
        about = ", ".join(f"{name}={value}" for name, value in said if name != VARIED)
        return {**values, **self.variants, STUDY: self.study, "about": about}

    def values(self) -> dict[str, Any]:
        """The row of ``trials``."""
        trial, record = self.trial, self.record
        row = {**trial, **trial["recipe"], **self.named, "state": self.state, "reason": self.reason}
        row |= {"training_id": self.training_id, "options": in_words(trial.get("options", {}))}
        if record is None:
            return row
        row |= {name: getattr(record, name) for name in OUTCOME if name not in ("versions", "precision_used")}
        row |= {"classes": record.classes, "precision_used": record.recipe.precision}
        row |= {"versions": in_words(record.versions)}
        row |= {f"seconds_{name}": value for name, value in record.seconds.items()}
        if self.checkpoint:
            row |= {"best_epoch": self.checkpoint.epoch, "best_val_top1": self.checkpoint.val_top1}
        validated = next((each for each in self.evaluations if each.role == "source_val"), None)
        tested = next((each for each in self.evaluations if each.role == "source_test"), None)
        if validated is not None:
            row["learned"] = above_chance(row["best_val_top1"], validated.clips, record.epochs, record.classes)
        return {**row, "source_test_top1": tested.top1 if tested else None}

    def evaluation_rows(self) -> list[dict[str, Any]]:
        """The trial's rows of ``evaluations``."""
        if self.record is None or self.checkpoint is None:
            return []
        best, chance = self.checkpoint.val_top1, 1 / self.record.classes
        tested = next((each.top1 for each in self.evaluations if each.role == "source_test"), math.nan)
        named = {**self.named, "selection_rule": self.record.selection_rule, "schema": self.record.schema}
        return [
            {
                **msgspec.to_builtins(each),
                **named,
                "robustness_ratio": float(robustness_ratio(each.top1, best)),
                "chance_corrected_ratio": float(chance_corrected_ratio(each.top1, best, chance)),
                "ratio_to_source_test": float(robustness_ratio(each.top1, tested)),
            }
            for each in self.evaluations
        ]


def trials_of(ledger: Ledger, entry: Entry, task: Task | None, driver: str | None) -> list[Told]:
    """What there is to tell of each trial of a training: those of the plan, or all that it has served."""
    record, study = entry.record, ""
    pairs: list[tuple[Mapping[str, Any], Named | None]]
    states: list[tuple[State, str]]
    if task is not None:
        pairs = [(trial.as_dict(), named(trial)) for trial in task.asked]
        states = [(entry.state_of(trial, driver), entry.reason_of(trial, driver)) for trial in task.asked]
    elif record is not None:
        plain = {name: getattr(record, name) for name in (*Training.__dataclass_fields__, "training_id")}
        plain |= {"recipe": asdict(record.recipe), "training_version": record.training_version}
        pairs = [({**plain, **msgspec.to_builtins(trial)}, trial) for trial in record.trials]
        states = [(entry.state_of(trial, driver), entry.reason_of(trial, driver)) for trial in record.trials]
    else:
        written = ledger.trial(entry.training_id)
        study = written.get("study", "")
        pairs = [(trial, None) for trial in written.get("trials", [_of_schema_1(written)])]
        states = [(entry.state(driver), entry.reason(driver))] * len(pairs)
    wanted = {each.part: each.content for each in task.evaluations} if task else None
    return [
        Told(
            plain,
            record.study if record else study,
            state,
            without_credentials(reason),
            record,
            record.checkpoint(trial.level) if record and trial else None,
            record.evaluations_of(trial, wanted) if record and trial else (),
        )
        for (plain, trial), (state, reason) in zip(pairs, states, strict=True)
    ]


def _of_schema_1(trial: Mapping[str, Any]) -> dict[str, Any]:
    """``trial.json`` of version 0.1."""
    about = {"digits": trial["digits"]} if "digits" in trial else {}
    return {**trial, "about": about}
