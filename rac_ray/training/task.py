"""What one training is to come to: its trials, what they are evaluated on, and what goes to the worker."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod

from rac_ray.data.feed import Subject
from rac_ray.identity import Evaluation, Training, Trial
from rac_ray.store.record import Record
from rac_ray.training.selection import Selection


@dataclass(frozen=True)
class Counts:
    """Clips that a task looks at."""

    train: int
    val: int
    """Clips validated on in each epoch."""
    evaluated: Mapping[str, int]
    """Clips by part that each checkpoint is asked about after the training."""

    def of(self, evaluations: Iterable[Evaluation]) -> int:
        """Clips of some evaluations."""
        return sum(self.evaluated[evaluation.part] for evaluation in evaluations)


@dataclass(frozen=True)
class Task:
    """One training with all that is asked of it."""

    training: Training
    subject: Subject
    evaluations: tuple[Evaluation, ...]
    counts: Counts
    trained_on: tuple[str, ...] = ()
    """Parts, ``domain/split``, that it trains and validates on; clips that are drawn for an epoch are of none."""
    selection: Selection = field(default_factory=Selection)
    trials: tuple[Trial, ...] = ()
    """Trials of the training that are asked for; none named: one, of the best checkpoint."""

    @property
    def resident(self) -> int:
        """Bytes of the clips that it trains and validates on."""
        return (self.counts.train + self.counts.val) * prod(self.subject.clip_shape)

    @property
    def training_id(self) -> str:
        return self.training.training_id

    @property
    def asked(self) -> tuple[Trial, ...]:
        """The trials that this task serves."""
        return self.trials or (Trial(self.training),)

    def with_training(self, training: Training) -> "Task":
        """The same of another training."""
        return replace(self, training=training, trials=tuple(replace(each, training=training) for each in self.trials))

    def evaluations_of(self, trial: Trial) -> list[Evaluation]:
        """What the checkpoint of one of its trials is asked."""
        return [each for each in self.evaluations if each.is_of(trial.variant)]

    @property
    def clips_asked(self) -> int:
        """Clips that all of its checkpoints together are asked about."""
        parts = {(trial.level, each.part) for trial in self.asked for each in self.evaluations_of(trial)}
        return sum(self.counts.evaluated[part] for _, part in parts)

    def outstanding(self, record: Record) -> dict[int, list[Evaluation]]:
        """What the checkpoints of a finished training have yet to be asked, by epoch.

        A level that was not reached is asked nothing. One of which the record does not know yet what its checkpoint is
        counts as epoch -1.
        """
        there = {each.evaluation_id for each in record.evaluations}
        wanted: dict[int, dict[str, Evaluation]] = {}
        for trial in self.asked:
            checkpoint = record.checkpoint(trial.level)
            if checkpoint is None or checkpoint.reached:
                epoch = checkpoint.epoch if checkpoint else -1
                new = {each.evaluation_id(self.training_id, epoch): each for each in self.evaluations_of(trial)}
                wanted[epoch] = wanted.get(epoch, {}) | new
        missing = {epoch: [each for i, each in asked.items() if i not in there] for epoch, asked in wanted.items()}
        return {epoch: evaluations for epoch, evaluations in missing.items() if evaluations}
