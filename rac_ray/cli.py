"""The command line: what every script in ``sweeps/`` accepts, and ``rac-ray data``.

Exit codes: 0 all planned trials are done (or the plan is printed), 1 some failed or the data does not verify,
2 bad input, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rac_ray.errors import BadInput, one_of
from rac_ray.storage import Storage

if TYPE_CHECKING:
    from rac_ray.sweep.planner import Plan, Sweep

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """Turns argparse's usage errors into the one-sentence kind."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message}; see {self.prog} --help")


def integer(what: str) -> Callable[[str], int]:
    """An argparse type that names what is not an integer."""

    def parse(text: str) -> int:
        try:
            return int(text)
        except ValueError as error:
            raise BadInput(f"{what} {text!r} is not an integer") from error

    return parse


def listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def run_command(command: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its code; a user's mistake is one sentence on stderr, never a traceback."""
    try:
        code = command()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def sweep_main(sweep: "Sweep", arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of a sweep script: run what is missing of its grid, then show what there is."""
    run_command(lambda: _sweep(sweep, arguments))


def _sweep_parser(sweep: "Sweep") -> Parser:
    parser = Parser(description=sweep.description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--preset", default=sweep.default_preset, help=f"one of {', '.join(sweep.presets)} (default: %(default)s)")
    add("--source", type=listed, metavar="A,B", help="source domains")
    add("--models", type=listed, metavar="A,B", help="models")
    add("--hidden-units", type=listed, metavar="2,4", help="hidden units per layer; TimeSformer: per head, even")
    add("--seeds", type=listed, metavar="42,61", help="seeds; 0 is one like any other")
    add("--digits", help="mnist, optdigits, or auto: MNIST if it can be had (default: the preset's)")
    add("--storage", default="results", help="folder or URI for records, tables and figures (default: %(default)s)")
    add("--data", help="folder or URI for shards (default: data/<sweep>-<preset>)")
    add("--address", help="a running Ray cluster, e.g. auto; without it a local Ray is started")
    add("--num-cpus", type=integer("--num-cpus"), help="size of the local Ray (default: the machine's)")
    add("--workers", type=integer("--workers"), default=1, help="DDP workers per trial (default: %(default)s)")
    add("--plan", action="store_true", help="list the trials and what they need; run and write nothing")
    return parser


def _sweep(sweep: "Sweep", arguments: Sequence[str] | None) -> int:
    options = _sweep_parser(sweep).parse_args(arguments)
    if options.preset not in sweep.presets:
        raise one_of("preset", options.preset, sweep.presets)
    if options.workers < 1:
        raise BadInput(f"--workers is {options.workers}; valid: 1 or more")
    numbers = {
        name: None if values is None else [integer(what)(text) for text in values]
        for name, what, values in (
            ("hidden_units", "hidden units", options.hidden_units),
            ("seeds", "seed", options.seeds),
        )
    }
    grid = sweep.presets[options.preset].narrowed(sources=options.source, models=options.models, **numbers)
    if options.digits:
        grid = replace(grid, digits=options.digits)

    from rac_ray.sweep.planner import make_plan

    data = options.data or f"data/{sweep.name}-{options.preset}"
    plan = make_plan(sweep, options.preset, grid, options.storage, data)
    if options.plan:
        print("\n".join(plan.lines()))
        return DONE
    needed = plan.bytes_needed()
    plan.ledger.storage.require_room(needed)
    plan.data.require_room(needed)

    from rac_ray.sweep.runner import Resources, run_plan

    run_plan(plan, Resources(options.address, options.num_cpus, options.workers))
    return show_results(plan)


def show_results(plan: "Plan") -> int:
    """Print the tables of a plan's trials, write them and the figures, and return the exit code."""
    from rac_ray.results.figures import draw_all
    from rac_ray.results.tables import accuracy_table, load, printable

    tables = load(plan.ledger.storage.root, {trial.trial_id for trial in plan.trials})
    folder = plan.ledger.storage.below(plan.preset)
    tables.write(folder.below("tables"))
    figures = draw_all(tables, folder.below("figures"))
    for source in dict.fromkeys(tables.evaluations["source"]):
        print(f"\nTrained on {source}: mean top-1 in % over hidden units and seeds [95% interval]")
        print(printable(accuracy_table(tables.evaluations, source)))
    states = tables.trials["state"].tolist()
    shown = tables.trials[["trial_id", "model", "hidden_units", "source", "seed", "reason"]].to_numpy().tolist()
    for state, (trial_id, model, hidden_units, source, seed, reason) in zip(states, shown, strict=True):
        if state == "failed":
            print(f"FAILED {trial_id} {model} h={hidden_units} {source} seed={seed}: {reason}")
    print(f"\n{tables.stamp}")
    print(f"results: {folder.root} (tables as Parquet, {len(figures)} figures)")
    if "pending" in states:
        print(f"{states.count('pending')} trials have not run; the same command goes on from here")
    return FAILED if "failed" in states else INTERRUPTED if "pending" in states else DONE


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of ``rac-ray``."""
    parser = Parser(prog="rac-ray", description="Make, check and look at Temporal Shape data.")
    nouns = parser.add_subparsers(required=True, metavar="data", dest="noun")
    verbs = nouns.add_parser("data", help="generate, verify or preview a data folder").add_subparsers(
        required=True, metavar="generate|verify|preview", dest="verb"
    )
    generate = verbs.add_parser("generate", help="make what is missing of a data folder")
    verify = verbs.add_parser("verify", help="recompute everything the manifest claims")
    preview = verbs.add_parser("preview", help="a contact sheet and a GIF per class and domain")
    for verb, run in ((generate, _generate), (verify, _verify), (preview, _preview)):
        verb.add_argument("folder", help="data folder")
        verb.set_defaults(run=run)
    generate.add_argument("--source", type=listed, metavar="A,B", help="source domains (default: all)")
    for split, count in (("train", 4000), ("val", 1000), ("test", 500)):
        flag = f"--{split}-clips"
        generate.add_argument(flag, type=integer(flag), default=count, help="per domain (default: %(default)s)")
    generate.add_argument("--digits", default="auto", help="mnist, optdigits, or auto (default: %(default)s)")
    generate.add_argument(
        "--spec", default="released", help="released data, or the paper's text (default: %(default)s)"
    )
    preview.add_argument("--out", default="preview", help="folder for the pictures (default: %(default)s)")

    def command() -> int:
        options = parser.parse_args(arguments)
        return options.run(options)

    run_command(command)


def _generate(options: argparse.Namespace) -> int:
    from rac_ray.data.generate import generate
    from rac_ray.data.temporal_shape import DIRECTIONS, SPECS
    from rac_ray.sweep.planner import check_sources, dataset_for, digits_for
    from rac_ray.sweep.runner import Resources, ray_session, say_line
    from rac_ray.trial import Grid

    if options.spec not in SPECS:
        raise one_of("spec", options.spec, SPECS)
    sources = tuple(options.source or DIRECTIONS)
    sizes = {name: getattr(options, name) for name in ("train_clips", "val_clips", "test_clips")}
    grid = Grid((), (), (), sources, digits=options.digits, **sizes)
    check_sources(grid)
    root = Storage.at(options.folder)
    digits = digits_for(grid, root)
    dataset = dataset_for(grid, SPECS[options.spec], digits)
    with ray_session(Resources()):
        made = generate(root, dataset, digits, say_line)
    print(f"{root.root}: {made} shards made, {sum(dataset.clips.values())} clips, digits={digits.source}")
    return DONE


def _verify(options: argparse.Namespace) -> int:
    from rac_ray.data.manifest import verify

    problems = verify(Storage.at(options.folder))
    print("\n".join(problems) or f"{options.folder}: all shards are what the manifest says")
    return FAILED if problems else DONE


def _preview(options: argparse.Namespace) -> int:
    from rac_ray.data.preview import write_preview

    files = write_preview(Storage.at(options.folder), Path(options.out))
    print(f"{len(files)} pictures in {options.out}")
    return DONE


if __name__ == "__main__":
    main()
