"""Fit several seeds of a training in one process, as ``fit`` would fit each alone: same batches, same checkpoints.

A seed that has ended, or whose loss is not finite any more, leaves; the others go on from their checkpoints as a
smaller stack. A checkpoint does not tell whether it was made in a stack, so that a seed can go on alone as well.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rac_ray.data.feed import Batch, Batches
from rac_ray.identity import Recipe, seed_for
from rac_ray.store.files import LAST_CHECKPOINT
from rac_ray.store.storage import Storage
from rac_ray.training.classifier import to_unit_range
from rac_ray.training.fit import DamagedCheckpoint, Fit, early_stopping, fetched, fit_of, trainer_of
from rac_ray.training.progress import TrialProgress
from rac_ray.training.selection import Keeper
from rac_ray.training.stack import StackedClassifier, joined
from rac_ray.training.stack_progress import SCALER, Member, StackProgress


@dataclass(frozen=True)
class Seat:
    """One seed of a stack: what ``fit`` would get."""

    build: Callable[[], nn.Module]
    seed: int
    train: Batches
    val: Batches
    folder: Storage
    keeper: Keeper | None = None
    report: Callable[[dict[str, Any]], None] = lambda _row: None
    resumed: Callable[[Sequence[dict[str, Any]]], None] = lambda _rows: None


class SideBySide:
    """Batches of several seeds, with an axis for them: clips (N, B, T, C, H, W) uint8, labels (N, B) int64."""

    def __init__(self, each: Sequence[Batches]) -> None:
        self.each = each
        self.sampler, self.batch_sampler = self, None

    def set_epoch(self, epoch: int) -> None:
        for batches in self.each:
            batches.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """The same for all of them, which stand at the same step."""
        return self.each[0].state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for batches in self.each:
            batches.load_state_dict(state)

    def __len__(self) -> int:
        return len(self.each[0])

    def __iter__(self) -> Iterator[Batch]:
        for batches in zip(*self.each, strict=True):
            frames, labels = zip(*batches, strict=True)
            yield torch.stack(frames), torch.stack(labels)


def fit_stack(
    seats: Sequence[Seat],
    recipe: Recipe,
    *,
    device: torch.device,
    scaled: Callable[[Tensor], Tensor] = to_unit_range,
    beat: Callable[[], None] = lambda: None,
    cuda_graphs: bool = False,
) -> list[Fit | Exception]:
    """Train each seat's model by a recipe that ``stacks``, from its ``last.ckpt`` if there is one.

    Gives what ``fit`` returns for each alone, or raises of its own (NotFinite, DamagedCheckpoint), in their order.

    On a CPU members end at the bits at which they would end alone.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / LAST_CHECKPOINT
        members = {seat.seed: _member(seat, recipe, path, beat) for seat in seats}
        while going := [seat for seat in seats if members[seat.seed].goes_on]:
            now = members[going[0].seed].position
            together = [seat for seat in going if members[seat.seed].position == now]
            _fit_together(together, members, recipe, path, device, scaled, cuda_graphs)
    found: list[Fit | Exception] = []
    for seat in seats:
        of_seat = members[seat.seed]
        found.append(of_seat.error or fit_of(of_seat.progress, seat.build(), started))
    return found


def _member(seat: Seat, recipe: Recipe, path: Path, beat: Callable[[], None]) -> Member:
    progress = TrialProgress(seat.folder, seat.train, seat.report, beat, seat.keeper, recipe.stop_at)
    member = Member(progress, early_stopping(recipe), recipe.max_epochs)
    try:
        member.checkpoint = fetched(seat.folder, path, progress)
    except DamagedCheckpoint as error:
        member.error = error
    if member.checkpoint is not None:
        member.stopping.load_state_dict(member.checkpoint["callbacks"][member.stopping.state_key])
        seat.resumed(progress.epochs)
    return member


def _fit_together(
    seats: Sequence[Seat],
    members: Mapping[int, Member],
    recipe: Recipe,
    path: Path,
    device: torch.device,
    scaled: Callable[[Tensor], Tensor],
    cuda_graphs: bool,
) -> None:
    """Train until a member leaves."""
    models, stack = [], [members[seat.seed] for seat in seats]
    for seat in seats:
        torch.manual_seed(seed_for("weights", seat.seed))
        models.append(seat.build())
    classifier = StackedClassifier(models, recipe, cuda_graphs=cuda_graphs, scaled=scaled)
    checkpoints = [each.checkpoint for each in stack if each.checkpoint is not None]
    if checkpoints:
        torch.save(joined(checkpoints), path)
        classifier.know_scales([each[SCALER] for each in checkpoints if SCALER in each])
    trainer = trainer_of(recipe, [StackProgress(stack)], str(path.parent), accelerator=device.type, devices=1)
    train, val = SideBySide([seat.train for seat in seats]), SideBySide([seat.val for seat in seats])
    trainer.fit(classifier, train, val, ckpt_path=path if checkpoints else None, weights_only=True)
