"""The command line of every script in ``sweeps/``: its verbs and their options. ``arguments`` has the exit codes."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn

from rac_ray.arguments import Parser, add_results, auto_or_integer, integer, number, run_command
from rac_ray.errors import BadInput, one_of
from rac_ray.identity import PRECISIONS

if TYPE_CHECKING:
    from rac_ray.studies.study import Study
    from rac_ray.sweep.session import Resources

STORAGE = "RAC_RAY_STORAGE"
"""Environment variable: a folder or URI for results and data, the one setting of a cluster's shared storage."""
GPUS = "RAC_RAY_NUM_GPUS"
"""Environment variable: GPUs that a cluster will have when it has grown."""
ADDRESS = "RAY_ADDRESS"
OF_STUDY = "study."
"""Before the names of a study's own options among those of a verb."""

VERBS = {
    "run": "run what is missing of the grid, then show the results (the default)",
    "plan": "list the trials and what they cost; runs a short probe and nothing else",
    "status": "where the sweep stands, who drives it, what runs, what failed",
    "describe": "why one trial is or is not done, and what it differs in from the nearest finished one",
    "retry": "retry --failed: run the trials that were given up once more, and what is missing",
    "cancel": "ask the sweep's driver, wherever it runs, to stop",
    "clean": "show files that nothing needs any more; --yes deletes them",
    "results": "tables and figures of what is done",
}


def sweep_main(study: "Study", arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of a sweep script: one of the verbs, by default run what is missing and show what there is."""
    run_command(lambda: _sweep(study, list(sys.argv[1:] if arguments is None else arguments)))


def parsed(study: "Study", arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Options of one of the verbs, by default ``run``, and the arguments with the verb in front."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["run", *arguments]
    elif arguments[0] not in (*VERBS, "-h", "--help"):
        raise one_of("verb", arguments[0], VERBS)
    return _parser(study).parse_args(arguments), arguments


def _parser(study: "Study") -> Parser:
    parser = Parser(description=study.description, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, what in VERBS.items():
        verb = verbs.add_parser(name, help=what, description=what)
        _add_grid(verb, study)
        add = verb.add_argument
        add("--storage", help=f"folder or URI for records, tables and figures (default: ${STORAGE}/results or results)")
        add("--data", help=f"folder or URI for shards (default: data/<sweep>-<preset>, in ${STORAGE} if that is set)")
        add("--json", action="store_true", help="one JSON object on stdout; events go to stderr")
        if name in ("run", "retry", "plan"):
            _add_ray(verb)
            _add_machine(verb, study.probe_seconds)
        if name in ("run", "retry"):
            _add_run(verb)
    add = verbs.choices["describe"].add_argument
    add("trial", help="a trial's id or the beginning of it")
    verbs.choices["retry"].add_argument("--failed", action="store_true", help="the trials that were given up")
    verbs.choices["status"].add_argument("--verbose", action="store_true", help="pending trials, too")
    add_results(verbs.choices["results"])
    add = verbs.choices["clean"].add_argument
    add("--yes", action="store_true", help="delete what is shown")
    add("--best-checkpoints", action="store_true", help="also the best weights of finished trials")
    return parser


def _add_grid(parser: argparse.ArgumentParser, study: "Study") -> None:
    add = parser.add_argument
    presets = f"one of {', '.join(study.presets)} (default: %(default)s)"
    add("--preset", default=study.default_preset, help=presets)
    for option in study.options:
        flag = f"--{option.name.replace('_', '-')}"
        add(flag, dest=OF_STUDY + option.name, type=option.parse, metavar=option.metavar, help=option.help)
    add("--only", metavar="FILTER", help="narrow the grid, as in 'model=convlstm|cnn3d,hidden_units<=8,state=failed'")
    add("--precision", help=f"{', '.join(PRECISIONS)}: where a recipe does not say (default: auto, 16 bits on GPUs)")


def _add_ray(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--address",
        default=os.environ.get(ADDRESS) or None,
        help=f"a running Ray cluster, e.g. auto (default: ${ADDRESS}); without it a local Ray is started",
    )
    add(
        "--num-cpus",
        type=integer("--num-cpus", 1),
        help="of the local Ray, or of the cluster when it has grown (default: what is there)",
    )
    add(
        "--num-gpus",
        type=integer(f"--num-gpus or ${GPUS}", 0),
        default=os.environ.get(GPUS) or None,
        help=f"likewise (default: ${GPUS}, or what is there)",
    )


def _add_machine(parser: argparse.ArgumentParser, probe_seconds: float) -> None:
    add = parser.add_argument
    add("--workers", type=integer("--workers", 1), help="DDP workers of a training (default: the preset's)")
    add(
        "--fewest-workers",
        type=integer("--fewest-workers", 1),
        metavar="N",
        help="go on with so few when some are lost",
    )
    add(
        "--cpus-per-trial", type=integer("--cpus-per-trial", 1), help="cores of a trial, or of each worker (default: 1)"
    )
    add("--trials-per-gpu", type=auto_or_integer, default="auto", help="auto: by measured memory (default), or N")
    add("--cuda-graphs", action="store_true", help="replay training steps on GPUs as one launch each")
    add("--price-per-hour", type=number("--price-per-hour"), help="of the whole machine or cluster, for the forecast")
    add(
        "--probe-seconds",
        type=number("--probe-seconds"),
        default=probe_seconds,
        help="time to probe each model and size that no record tells of; 0: no probe (default: %(default)s)",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    from rac_ray.sweep.failures import Budgets

    add = parser.add_argument
    for budget in fields(Budgets):
        flag = f"--retry-{budget.name.replace('_', '-')}"
        add(flag, type=integer(flag, 0), default=budget.default, metavar="N", help="default: %(default)s")
    add(
        "--back-off", type=number("--back-off"), default=5.0, help="seconds before a first retry (default: %(default)s)"
    )
    add("--stall-factor", type=number("--stall-factor"), default=50.0, help="median steps without one that are a stall")
    add(
        "--stall-seconds",
        type=number("--stall-seconds"),
        default=300.0,
        help="and at least this (default: %(default)s)",
    )
    add("--take-over", action="store_true", help="take the sweep from a driver that lives; it stops")
    add("--dashboard", action="store_true", help="serve Ray's dashboard of the local Ray, on loopback")
    add("--verbose", action="store_true", help="also a line per epoch")
    add("--submit", metavar="URL", help="hand the run to the cluster whose dashboard is at URL, and return at once")


def _sweep(study: "Study", arguments: list[str]) -> int:
    options, arguments = parsed(study, arguments)
    from rac_ray import verbs

    if options.preset not in study.presets:
        raise one_of("preset", options.preset, study.presets)
    if options.precision is not None and options.precision not in PRECISIONS:
        raise one_of("precision", options.precision, PRECISIONS)
    options.asked = {name.removeprefix(OF_STUDY): value for name, value in vars(options).items() if OF_STUDY in name}
    if hasattr(options, "address"):
        options.resources = _resources(options)
    options.storage, options.data = places(options, study.data_folder(options.preset))
    return getattr(verbs, options.verb)(study, options, arguments)


def places(options: argparse.Namespace, data: str) -> tuple[str, str]:
    """Folders or URIs of results and of data, whose default is below ``data`` by that name."""
    from rac_ray.storage import Storage

    folder = Storage.at(os.environ.get(STORAGE) or ".")
    return options.storage or folder.below("results").root, options.data or folder.below("data", data).root


def _resources(options: argparse.Namespace) -> "Resources":
    """What the options say of the machine; the options of ``run`` have their defaults in a plan."""
    from rac_ray.sweep.price import Pricing
    from rac_ray.sweep.session import Resources

    machine: dict[str, Any] = {name: getattr(options, name) for name in _MACHINE_OPTIONS}
    pricing = Pricing(options.probe_seconds, options.price_per_hour)
    return Resources(**ray_settings(options), **machine, pricing=pricing, **run_settings(options))


def ray_settings(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say of the Ray to run on; BadInput for a URL as ``--address``."""
    if options.address and "://" in options.address:
        raise BadInput(
            f"--address or ${ADDRESS} {options.address!r} is a dashboard's URL; valid: auto, or host:port; "
            "--submit takes a URL"
        )
    return {name: getattr(options, name) for name in ("address", "num_cpus", "num_gpus")}


def run_settings(options: argparse.Namespace) -> dict[str, Any]:
    """What the options of ``run`` say of ``Resources``; nothing for a plan, which has none."""
    from rac_ray.sweep.failures import Budgets
    from rac_ray.training.watchdog import StallLimits

    if options.verb == "plan":
        return {}
    return {
        "budgets": Budgets(**{budget.name: getattr(options, f"retry_{budget.name}") for budget in fields(Budgets)}),
        "pause": options.back_off,
        "stall": StallLimits(options.stall_factor, options.stall_seconds),
        "dashboard": options.dashboard,
        "take_over": options.take_over,
        "verbose": options.verbose,
    }


_MACHINE_OPTIONS = ("workers", "fewest_workers", "cpus_per_trial", "trials_per_gpu", "cuda_graphs")
