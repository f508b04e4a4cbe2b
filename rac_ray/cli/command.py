"""The command ``rac-ray``: data, Diving48's videos, results of any folder of records, capsules."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from cyclopts import App

from rac_ray.cli import data, videos
from rac_ray.cli.derive import Flag, arguments_of, call, command, flags_of
from rac_ray.cli.exits import run_command
from rac_ray.cli.sweep import JSON, WATCH, require_one, watch
from rac_ray.errors import BadInput
from rac_ray.loggers.asked import Logging, logged
from rac_ray.loggers.protocol import Sweep
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies import study_of
from rac_ray.sweep.outcomes import Results, Wanted, as_text


def results(folder: str, *, wanted: Wanted, logs: Logging, to: str | None = None) -> Results:
    """Tables, figures, verdicts, report of a folder of records; needs neither Ray nor torch.

    Parameters
    ----------
    folder
        A sweep's folder, <storage>/<sweep>.
    to
        Folder for what is written (default: a new one, results-of-<sweep>).
    """
    from rac_ray.results.shown import show

    sweep = Storage.at(folder)
    name, destinations = PurePosixPath(sweep.root).name, logs.destinations(Ledger(sweep))
    wanted = replace(wanted, report=wanted.report or bool(destinations))
    shown = show(sweep, Storage.at(to or f"results-of-{name}"), wanted, study_of)
    return logged(destinations, Sweep(name), Ledger(sweep), shown)


def replay(capsule: str, *, to: str | None = None, retrain: int = 0, seed: int = 0) -> int:
    """Derive a capsule's tables and figures again and compare every byte.

    Parameters
    ----------
    capsule
        A file that results --capsule packed.
    to
        Folder to unpack to (default: a new one beside the capsule).
    retrain
        Train so many random trials once more.
    seed
        Which ones.
    """
    from rac_ray.cli.replay import replay_capsule

    return replay_capsule(Path(capsule), Path(to) if to else None, retrain or None, seed)


COMMANDS: dict[str, dict[str, Callable[..., int]]] = {
    "data": {"generate": data.generate, "verify": data.verify, "preview": data.preview},
    "diving48": {"check": videos.check, "decode": videos.decode, "sheet": videos.sheet},
}
_GROUP_HELP = {
    "data": "Generate, verify or preview Temporal Shape.",
    "diving48": "Check or decode a download of Diving48.",
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of ``rac-ray``."""
    run_command(lambda: _main(list(sys.argv[1:] if arguments is None else arguments)))


def _main(arguments: list[str]) -> int:
    app = App(
        name="rac-ray",
        help="Temporal Shape and Diving48 data, results of any folder of records, capsules.",
        help_format="plaintext",
        version_flags=[],
    )
    for noun, verbs in COMMANDS.items():
        group = App(name=noun, help=_GROUP_HELP[noun], help_format="plaintext", version_flags=[])
        for name, function in verbs.items():
            add(group, name, function)
        app.command(group)
    add(app, "replay", replay)
    flags = [*flags_of(results), WATCH, JSON]
    command(app, "results", (results.__doc__ or "").partition("\n")[0], flags, _results)
    if not arguments:
        raise BadInput(f"rac-ray what? valid: {', '.join((*COMMANDS, 'results', 'replay'))}")
    if arguments[0] in COMMANDS and len(arguments) == 1:
        raise BadInput(f"rac-ray {arguments[0]} what? valid: {', '.join(COMMANDS[arguments[0]])}")
    return call(app, arguments)


def add(app: App, name: str, function: Callable[..., int]) -> None:
    """Add a command whose function prints what it has to say and returns the exit code."""
    flags: list[Flag] = flags_of(function)
    command(app, name, (function.__doc__ or "").partition("\n")[0], flags, partial(_called, function))


def _called(function: Callable[..., int], given: dict[str, Any]) -> int:
    return function(**arguments_of(function, given))


def _results(given: dict[str, Any]) -> int:
    settings = arguments_of(results, given)
    if given["watch"] is not None:
        require_one(given)
        sweep = Storage.at(settings["folder"])
        to = Storage.at(settings["to"] or f"results-of-{PurePosixPath(sweep.root).name}")
        return watch(Ledger(sweep), to, settings["wanted"], given["watch"], given["json"], study_of=study_of)
    found = results(**settings)
    print(as_text(found, given["json"]), flush=True)
    return found.code


if __name__ == "__main__":
    main()
