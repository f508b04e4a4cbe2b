"""The command line of ``sweeps/diving48.py``: the verbs of every sweep, for trainings that serve several trials."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rac_ray.arguments import integer, listed, number, run_command
from rac_ray.cli import parsed, places, ray_settings, run_settings
from rac_ray.errors import DONE, BadInput, one_of
from rac_ray.storage import Storage

if TYPE_CHECKING:
    from rac_ray.sweep.dives_plan import DivingGrid, DivingPlan
    from rac_ray.sweep.session import Resources
    from rac_ray.training.dives import Group

NAME = "diving48"


@dataclass(frozen=True)
class Preset:
    """A grid, and the clips that are drawn for it where it has none of Diving48's."""

    grid: "DivingGrid"
    synthetic: tuple[int, int] | None = None
    """Clips of the train and of the test list."""
    workers: int = 8


def dives_main(description: str, presets: dict[str, Preset], arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of ``sweeps/diving48.py``: one of the verbs, by default run what is missing and show what there is."""
    run_command(lambda: _dives(description, presets, list(sys.argv[1:] if arguments is None else arguments)))


def _dives(description: str, presets: dict[str, Preset], arguments: list[str]) -> int:
    options, arguments = parsed(arguments, description, partial(_add_grid, presets=presets), _add_machine)
    if options.preset not in presets:
        raise one_of("preset", options.preset, presets)
    from rac_ray import verbs

    preset = presets[options.preset]
    if getattr(options, "submit", None) is not None:
        if preset.synthetic:
            raise BadInput(f"--submit takes no preset that draws its own clips, as {options.preset!r} does")
        given = {name: _absolute(path) for name in ("masks", "published") if (path := getattr(options, name))}
        return verbs.submit(_plan(preset, options), options, arguments, **given)
    if options.verb in OWN:
        return OWN[options.verb](preset, options)
    return getattr(verbs, options.verb)(_plan(preset, options), options)


def run(preset: Preset, options: argparse.Namespace) -> int:
    """Run what is missing, then show what there is."""
    from rac_ray import verbs
    from rac_ray.sweep.dives import run_diving
    from rac_ray.sweep.session import Resources, ray_session

    resources = Resources(**ray_settings(options), **run_settings(options))
    group = _group(preset, options, resources)
    with ray_session(resources, f"{NAME} {options.preset}"):
        _require_room(group, resources)
        _draw_if_synthetic(preset, options)
        plan = replace(_plan(preset, options), retry_failed=options.verb == "retry")
        reason = run_diving(plan, group, resources, verbs.say_to(options))
    return verbs.concluded(plan, options, reason)


def retry(preset: Preset, options: argparse.Namespace) -> int:
    """Run the trainings of trials that were given up once more, with fresh budgets, and what is missing besides."""
    if not options.failed:
        raise BadInput("retry what? valid: retry --failed")
    return run(preset, options)


def _group(preset: Preset, options: argparse.Namespace, resources: "Resources") -> "Group":
    """A group of a fixed size leaves a lost worker to the queue; one that may shrink goes on without it."""
    from rac_ray.training.dives import Group

    most, fewest = _workers(preset, options), options.fewest_workers
    if fewest:
        return Group((fewest, most), _per_worker(options), options.gpu, resources.budgets.preempted, resources.stall)
    return Group(most, _per_worker(options), options.gpu, 0, resources.stall)


def _workers(preset: Preset, options: argparse.Namespace) -> int:
    """Of a training, at most; BadInput for so many that they cannot share a step's clips."""
    most, fewest = options.workers or preset.workers, options.fewest_workers
    batch = preset.grid.recipe.batch_size
    if fewest and fewest > most:
        raise BadInput(f"--fewest-workers is {fewest}; valid: at most {most}, the workers")
    if most > batch or (not fewest and batch % most):
        raise BadInput(
            f"{most} workers cannot share steps of {batch} clips; valid for --workers: what divides {batch}, "
            "or with --fewest-workers any number up to it"
        )
    return most


def _per_worker(options: argparse.Namespace) -> dict[str, float]:
    return {"CPU": float(options.cpus_per_worker), **({"GPU": 1.0} if options.gpu else {})}


def _require_room(group: "Group", resources: "Resources") -> None:
    """BadInput for more workers than Ray has room for, or will have: they would be waited for without an end."""
    from rac_ray.data.streaming import READING_CPUS
    from rac_ray.sweep.runner import machine_of

    machine = machine_of(resources)
    have = {"CPU": machine.cpus, "GPU": machine.gpus}
    workers = group.workers if isinstance(group.workers, int) else group.workers[0]
    for kind, each in group.per_worker.items():
        count = workers * each + (READING_CPUS if kind == "CPU" else 0)
        if have[kind] < count:
            raise BadInput(
                f"{workers} workers need {math.ceil(count)} {kind}s and Ray has {have[kind]:g}; "
                "give fewer by --workers or --fewest-workers, or say by --num-gpus what a cluster will have"
            )


def plan(preset: Preset, options: argparse.Namespace) -> int:
    """List trainings and trials with what is done of them, and what is left in operations, or in probed time."""
    from rac_ray import verbs
    from rac_ray.sweep.dives_price import price_lines, probe_sizes
    from rac_ray.sweep.session import Resources, ray_session
    from rac_ray.training.dives import Group

    made, workers = _plan(preset, options), _workers(preset, options)
    if options.probe_seconds:
        resources = Resources(**ray_settings(options))
        with ray_session(resources, made.title):
            _require_room(Group(1, _per_worker(options)), resources)
            probe_sizes(made, workers, options.probe_seconds, options.gpu, verbs.say_to(options))
    rows = {row["trial_id"]: row for row in verbs.trial_rows(made, made.entries(), made.ledger.driver(watch=False))}
    states = {trial_id: row["state"] for trial_id, row in rows.items()}
    price, lines = price_lines(made, states, workers), list[str]()
    for training in made.trainings:
        lines.append(f"{training.trial.trial_id}  training {training.trial.name}")
        for trial in made.asked(training):
            level = training.levels[trial.experiment]
            state = states[trial.trial_id]
            lines.append(f"    {trial.trial_id}  {state:<8} experiment {trial.experiment}, level {level:g}")
    counts = verbs.counted(made, states)
    value = {"trials": list(rows.values()), "counts": counts, "price": price}
    verbs.answer(options, value, [*lines, verbs.invariant(counts), *price])
    return DONE


OWN = {"run": run, "retry": retry, "plan": plan}
"""Verbs that trainings do in their own way; the others are those of every sweep."""


def _absolute(path: str) -> str:
    return Storage.at(path).root


def _plan(preset: Preset, options: argparse.Namespace) -> "DivingPlan":
    from rac_ray.sweep.dives_plan import make_diving_plan, narrowed

    seeds = None if options.seeds is None else [integer("seed")(text) for text in options.seeds]
    grid = narrowed(preset.grid, options.experiment, seeds)
    storage, data = _places(preset, options)
    masks = options.masks or (Storage.at(data).below("masks", "masks.parquet").root if preset.synthetic else None)
    published = Path(options.published).absolute() if options.published else None
    return make_diving_plan(NAME, options.preset, grid, storage, data, masks, published)


def _places(preset: Preset, options: argparse.Namespace) -> tuple[str, str]:
    return places(options, f"{NAME}-{options.preset}" if preset.synthetic else NAME)


def _draw_if_synthetic(preset: Preset, options: argparse.Namespace) -> None:
    """Draw, encode and decode the clips of a preset that has none of Diving48's."""
    if preset.synthetic is None:
        return
    from rac_ray import verbs
    from rac_ray.data.diving_generate import decode_videos
    from rac_ray.data.synthetic_dives import write_dives

    folder = Storage.at(_places(preset, options)[1])
    if not folder.is_local:
        raise BadInput(f"--data {folder.root!r} is no folder; clips are drawn to one only")
    train, test = preset.synthetic
    official = Path(folder.root, "official")
    write_dives(official, folder.below("masks"), train=train, test=test)
    decode_videos(official, folder, verbs.say_to(options))


def _add_grid(parser: argparse.ArgumentParser, presets: dict[str, Preset]) -> None:
    add = parser.add_argument
    add("--preset", default="paper", help=f"one of {', '.join(presets)} (default: %(default)s)")
    add("--experiment", type=listed, metavar="A,B", help="experiments, as in c or a,b (default: the preset's)")
    add("--seeds", type=listed, metavar="42,61", help="seeds (default: the preset's)")
    add("--masks", metavar="PATH", help="masks of the test clips, a Parquet file or a folder of them")
    add("--published", metavar="DIR", help="folder of the authors' modified videos, instead of masks")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--workers", type=integer("--workers", 1), help="DDP workers of a training (default: the preset's)")
    add("--fewest-workers", type=integer("--fewest-workers", 1), metavar="N", help="go on with so few")
    add(
        "--cpus-per-worker",
        type=integer("--cpus-per-worker", 1),
        default=1,
        help="default: %(default)s; besides, a training has a core that reads clips",
    )
    add("--gpu", action="store_true", help="a GPU per worker")
    add(
        "--probe-seconds",
        type=number("--probe-seconds"),
        default=0.0,
        help="plan: time to probe the steps of each size, on a GPU with --gpu (default: 0, count operations)",
    )
