"""What ``make bench-gpu`` measures: its sections in order, their time, and the sizes they work at. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from rac_ray.errors import one_of


@dataclass(frozen=True)
class Section:
    """A part that runs in a process of its own; the module of its name in this package measures it."""

    name: str
    what: str
    least: float
    """Seconds without which it is not begun, and which those before it leave to it."""
    most: float
    """Seconds after which its process is interrupted, then killed."""
    alone: bool
    """Whether it measures speed, and nothing may run beside it."""


SECTIONS = (
    Section("stacks", "seeds in one process against each alone", 40, 110, alone=False),
    Section("fits", "graphs against eager, resuming, evaluation, memory that runs out", 25, 110, alone=False),
    Section("precision", "logits and gradients against a CPU's in float64", 20, 110, alone=False),
    Section("speed", "training steps: plain PyTorch, ours, ours as graphs, several seeds as one", 75, 140, alone=True),
    Section("epochs", "epochs of the study's size through the product's own fit", 90, 150, alone=True),
    Section("minisweep", "trials through the sweep: eager, with graphs, in stacks", 125, 240, alone=True),
    Section("group", "a process group of one through Ray Train", 50, 70, alone=True),
    Section("packing", "one to eight processes on one GPU", 20, 120, alone=True),
)
"""What matters most first. Those that are not alone run side by side and share the cores; all that is timed, or starts
a Ray with processes of its own, is alone."""
SECONDS = 480.0
"""For all sections together; what a section gets at most grows with it."""


@dataclass(frozen=True)
class Sizes:
    """How much work the sections do."""

    compared_hidden_units: tuple[int, ...] = (2, 8, 48)
    timed_hidden_units: tuple[int, ...] = (8, 2, 48, 16)
    batch: int = 64
    resident_clips: int = 1024
    timing_seconds: float = 0.4
    """Of each timing, after its warm-up."""
    fitted_hidden_units: int = 8
    fitted_epochs: int = 10
    fitted_steps: int = 5
    """Steps of an epoch."""
    compared_seeds: int = 3
    """Of a stack that is compared with each of its seeds alone ..."""
    stacked_epochs: int = 4
    stacked_seeds: int = 5
    """... and of one that is timed, as many as the study has."""
    epoch_train_clips: int = 4000
    epoch_val_clips: int = 1000
    processes: tuple[int, ...] = (1, 2, 4, 8)
    packing_seconds: float = 1.2
    sweep_hidden_units: str = "8"
    sweep_models: str = "cnn3d,timesformer8"
    sweep_epochs: int = 3


TINY = Sizes(
    compared_hidden_units=(2,),
    timed_hidden_units=(2,),
    batch=4,
    resident_clips=8,
    timing_seconds=0.05,
    fitted_hidden_units=2,
    fitted_epochs=4,
    fitted_steps=2,
    compared_seeds=2,
    stacked_seeds=2,
    epoch_train_clips=12,
    epoch_val_clips=6,
    processes=(1, 2),
    packing_seconds=0.2,
    sweep_hidden_units="2",
    sweep_models="timesformer1",
    sweep_epochs=1,
)
"""For a rehearsal where nothing is timed in earnest."""


def chosen(names: Sequence[str]) -> list[Section]:
    """The named sections, in their own order; BadInput for a name that is none."""
    known = [section.name for section in SECTIONS]
    for name in names:
        if name not in known:
            raise one_of("section", name, known)
    return [section for section in SECTIONS if section.name in names]


def allowance(section: Section, left: float, later: float = 0.0, total: float = SECONDS) -> float | None:
    """Seconds that a section gets of those that are left of ``total``, or None where they are too few to begin it.

    ``later`` is what sections after it need at least: it is left to them, unless this one would have too little.
    """
    if left < section.least:
        return None
    return min(left, max(section.least, min(section.most * max(1.0, total / SECONDS), left - later)))


def rounds(sections: Sequence[Section]) -> list[list[Section]]:
    """What runs side by side, round after round: those that are not alone, then each of the others."""
    together = [section for section in sections if not section.alone]
    return [*([together] if together else []), *([section] for section in sections if section.alone)]


def least_of(parts: Sequence[Sequence[Section]]) -> float:
    """Seconds that rounds need at least."""
    return sum(max(section.least for section in together) for together in parts)
