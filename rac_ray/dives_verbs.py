"""The command line of ``sweeps/diving48.py``: run, plan, status, results."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rac_ray.arguments import Parser, add_results, integer, listed, run_command
from rac_ray.cli import ADDRESS, STORAGE
from rac_ray.errors import DONE, FAILED, UNFINISHED, BadInput, one_of
from rac_ray.storage import Storage

if TYPE_CHECKING:
    from rac_ray.sweep.dives_plan import DivingGrid, DivingPlan

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

    def command() -> int:
        options = _parser(description, presets).parse_args(arguments)
        if options.verb not in VERBS:
            raise one_of("verb", options.verb, VERBS)
        if options.preset not in presets:
            raise one_of("preset", options.preset, presets)
        return VERBS[options.verb](presets[options.preset], options)

    run_command(command)


def run(preset: Preset, options: argparse.Namespace) -> int:
    """Run what is missing, then show what there is."""
    from rac_ray.sweep.dives import run_diving
    from rac_ray.sweep.monitor import say_line
    from rac_ray.sweep.session import Resources, ray_session
    from rac_ray.training.dives import Group

    most, fewest = options.workers or preset.workers, options.fewest_workers
    if fewest and fewest > most:
        raise BadInput(f"--fewest-workers is {fewest}; valid: at most {most}, the workers")
    gpu = {"GPU": 1.0} if options.gpu else {}
    resources = Resources(address=options.address, num_cpus=options.num_cpus, take_over=options.take_over)
    scratch = _places(options)[0].below(NAME, options.preset, "ray").root
    group = Group(
        (fewest, most) if fewest else most, {"CPU": options.cpus_per_worker, **gpu}, options.gpu, scratch=scratch
    )
    with ray_session(resources, NAME):
        _require_room(fewest or most, options)
        _draw_if_synthetic(preset, options)
        run_diving(_plan(preset, options), group, resources, say_line, retry_failed=options.retry_failed)
    return results(preset, options)


def _require_room(workers: int, options: argparse.Namespace) -> None:
    """BadInput for more workers than the Ray that runs has room for: they would be waited for without an end."""
    import ray

    have = ray.cluster_resources()
    # A core besides, to decode clips.
    wanted = {"CPU": workers * options.cpus_per_worker + 1, **({"GPU": workers} if options.gpu else {})}
    for kind, count in wanted.items():
        if have.get(kind, 0) < count:
            raise BadInput(
                f"{workers} workers need {count:g} {kind}s and Ray has {have.get(kind, 0):g}; give fewer by --workers "
                "or --fewest-workers"
            )


def plan(preset: Preset, options: argparse.Namespace) -> int:
    """List trainings and trials with what is done of them, and what is left in operations."""
    from rac_ray.sweep.dives_price import price_lines

    made = _plan(preset, options)
    states = made.ledger.states(made.trials)
    for training in made.trainings:
        print(f"{training.training_id}  {training.size} seed={training.seed}")
        for trial in training.trials:
            level = training.levels[trial.experiment]
            print(f"    {trial.trial_id}  {states[trial.trial_id]:<8} experiment {trial.experiment}, level {level:g}")
    print("\n".join(price_lines(made, states)))
    return DONE


def status(preset: Preset, options: argparse.Namespace) -> int:
    """Counts, driver, and what failed."""
    from rac_ray.ledger import STATES

    made = _plan(preset, options)
    driver = made.ledger.driver()
    entries = made.ledger.scan([trial.trial_id for trial in made.trials])
    found = [(trial, entries[trial.trial_id].state(driver)) for trial in made.trials]
    counts = {state: sum(each == state for _, each in found) for state in STATES}
    print(f"{len(found)} trials planned = " + " + ".join(f"{counts[state]} {state}" for state in STATES))
    print(f"driver: {driver or 'none'}")
    for trial, state in found:
        if state in ("running", "failed"):
            print(f"{trial.trial_id}  {state:<8} {trial.name}: {entries[trial.trial_id].reason(driver)}")
    return FAILED if counts["failed"] else DONE if counts["done"] == len(found) else UNFINISHED


def results(preset: Preset, options: argparse.Namespace) -> int:
    """Tables and figures of what is done."""
    from rac_ray.results_verb import Wanted, present

    made = _plan(preset, options)
    folder = Storage.at(options.to) if options.to else made.ledger.storage.below(options.preset)
    trial_ids = [trial.trial_id for trial in made.trials]
    return present(made.ledger.storage, folder, Wanted.of(options), trial_ids, f"{NAME} {options.preset}")


VERBS = {"run": run, "plan": plan, "status": status, "results": results}


def _places(options: argparse.Namespace) -> tuple[Storage, Storage]:
    """Folders of results and of data."""
    shared = os.environ.get(STORAGE)
    folder = Storage.at(shared or ".")
    results_folder = Storage.at(options.storage) if options.storage else folder.below("results")
    return results_folder, Storage.at(options.data) if options.data else folder.below("data", NAME)


def _plan(preset: Preset, options: argparse.Namespace) -> "DivingPlan":
    from rac_ray.sweep.dives_plan import make_diving_plan, narrowed

    seeds = None if options.seeds is None else [integer("seed")(text) for text in options.seeds]
    grid = narrowed(preset.grid, options.experiment, seeds)
    storage, data = _places(options)
    shards = data.below(options.preset) if preset.synthetic else data
    masks = options.masks or (shards.below("masks", "masks.parquet").root if preset.synthetic else None)
    published = Path(options.published).absolute() if options.published else None
    return make_diving_plan(NAME, grid, storage.root, shards.root, masks, published)


def _draw_if_synthetic(preset: Preset, options: argparse.Namespace) -> None:
    """Draw, encode and decode the clips of a preset that has none of Diving48's."""
    if preset.synthetic is None:
        return
    from rac_ray.data.diving_generate import decode_videos
    from rac_ray.data.synthetic_dives import write_dives
    from rac_ray.sweep.monitor import say_line

    folder = _places(options)[1].below(options.preset)
    if not folder.is_local:
        raise BadInput(f"--data {folder.root!r} is no folder; clips are drawn to one only")
    train, test = preset.synthetic
    official = Path(folder.root, "official")
    write_dives(official, folder.below("masks"), train=train, test=test)
    decode_videos(official, folder, say_line)


def _parser(description: str, presets: dict[str, Preset]) -> Parser:
    parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("verb", nargs="?", default="run", help="run (default), plan, status or results")
    add("--preset", default="paper", help=f"one of {', '.join(presets)} (default: %(default)s)")
    add("--experiment", type=listed, metavar="A,B", help="experiments, as in c or a,b (default: the preset's)")
    add("--seeds", type=listed, metavar="42,61", help="seeds (default: the preset's)")
    add("--data", help=f"folder or URI of shards (default: data/{NAME}, in ${STORAGE} if that is set)")
    add("--masks", metavar="PATH", help="masks of the test clips, a Parquet file or a folder of them")
    add("--published", metavar="DIR", help="folder of the authors' modified videos, instead of masks")
    add("--storage", help=f"folder or URI for records, tables and figures (default: ${STORAGE}/results or results)")
    add("--address", default=os.environ.get(ADDRESS) or None, help=f"a running Ray cluster (default: ${ADDRESS})")
    add("--num-cpus", type=integer("--num-cpus", 1), help="of the local Ray (default: what is there)")
    add("--workers", type=integer("--workers", 1), help="DDP workers of a training (default: the preset's)")
    add(
        "--fewest-workers",
        type=integer("--fewest-workers", 1),
        metavar="N",
        help="go on with so few",
    )
    add("--cpus-per-worker", type=float, default=1.0, help="default: %(default)s; besides, a core to decode clips")
    add("--gpu", action="store_true", help="a GPU per worker")
    add("--retry-failed", action="store_true", help="run trials that failed once more")
    add("--take-over", action="store_true", help="take the sweep from a driver that lives")
    add("--json", action="store_true", help="results as one JSON object")
    add_results(parser)
    return parser
