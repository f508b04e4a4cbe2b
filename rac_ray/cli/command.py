"""The command ``rac-ray``: studies, data, Diving48's videos, results of any folder of records, capsules."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn

from cyclopts import App

from rac_ray.cli import data, segment, videos
from rac_ray.cli.completion import completed
from rac_ray.cli.derive import Flag, app_of, arguments_of, call, command, examples_of, flags_of
from rac_ray.cli.doctor import doctor
from rac_ray.cli.exits import run_command
from rac_ray.cli.sweep import JSON, VERBS, WATCH, add_verbs, described, require_one, watch, with_verb
from rac_ray.errors import BadInput
from rac_ray.loggers.asked import Logging, logged
from rac_ray.loggers.protocol import Sweep
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies import BUILT_IN, homes, study_of
from rac_ray.sweep.outcomes import Results, Wanted, as_text
from rac_ray.sweep.program import Program

if TYPE_CHECKING:
    from rac_ray.results.leaderboard import Leaderboard

ALL_PRESETS, LEADERBOARD = "all-presets", "leaderboard"
"""Folder in a sweep's own for results of all that is there, and the one of a leaderboard."""


def results(
    folder: list[str], *, wanted: Wanted, logs: Logging, to: str | None = None, leaderboard: bool = False
) -> "Results | Leaderboard":
    """Tables, figures, verdicts, report of a folder of records; needs neither Ray nor torch.

    Parameters
    ----------
    folder
        A sweep's folder, <storage>/<sweep>; for a leaderboard several, or capsules, or reference.
    to
        Folder for what is written (default: all-presets in it; of a leaderboard: leaderboard).
    leaderboard
        Rank the models of all sweeps that are named.

    Examples
    --------
    rac-ray results results/ts_grid --verdict
    rac-ray results results/ts_grid --capsule ts_grid.tar.zst
    rac-ray results results/ts_grid theirs.tar.zst --leaderboard
    """
    if leaderboard:
        from rac_ray.results.leaderboard import write_leaderboard

        require_alone(wanted, logs)
        return write_leaderboard(folder, Storage.at(to or LEADERBOARD), study_of)
    from rac_ray.results.shown import show

    sweep = Storage.at(one_folder(folder))
    into = Storage.at(to) if to else sweep.below(ALL_PRESETS)
    return logged(
        logs,
        Sweep(PurePosixPath(sweep.root).name),
        Ledger(sweep),
        wanted,
        lambda wanted: show(sweep, into, wanted, study_of),
    )


def one_folder(folders: Sequence[str]) -> str:
    """The one that is given. Raises BadInput for several."""
    if len(folders) > 1:
        raise BadInput(f"{len(folders)} folders: {', '.join(folders)}; valid: one, or several with --leaderboard")
    return folders[0]


def require_alone(wanted: Wanted, logs: Logging) -> None:
    """Raise BadInput for what is asked for of one sweep beside a leaderboard, which is of several."""
    given = {**vars(wanted), **vars(logs)}
    others = {**vars(Wanted()), **vars(Logging())}
    for name in [name for name, value in given.items() if value != others[name]]:
        word = f"{'no-' if others[name] is True else ''}{name.replace('_', '-')}"
        raise BadInput(f"--leaderboard and --{word}: valid: one of them")


def replay(capsule: str, *, to: str | None = None, retrain: int = 0, seed: int = 0) -> int:
    """Check a capsule: its records, and every byte of the tables and figures that follow from them.

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

    Examples
    --------
    rac-ray replay ts_grid.tar.zst
    rac-ray replay ts_grid.tar.zst --to ./replayed --retrain 2
    """
    from rac_ray.sweep.replaying import replay_capsule

    found = replay_capsule(Path(capsule), Path(to) if to else None, retrain, seed, study_of)
    print(as_text(found, as_json=False))
    return found.code


COMMANDS: dict[str, dict[str, Callable[..., int]]] = {
    "data": {"generate": data.generate, "verify": data.verify, "preview": data.preview},
    "diving48": {
        "check": videos.check,
        "decode": videos.decode,
        "sheet": videos.sheet,
        "segment": segment.train,
        "masks": segment.masks,
    },
}
"""Verbs that no study has, by noun; a study's own come after its sweep's."""
INSTALL, COMPLETE = "--install-completion", "__complete"
"""Installs a shell's completion; asked by that for values (cyclopts' own word)."""
_HELP = {"data": "Generate, verify or preview Temporal Shape."}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of ``rac-ray``."""
    run_command(lambda: _main(list(sys.argv[1:] if arguments is None else arguments)))


def _main(arguments: list[str]) -> int:
    app = app_of("rac-ray", "Sweeps of video models: studies, their data, results of any folder of records, capsules.")
    noun, *rest = arguments or [""]
    studies = BUILT_IN if noun in (*BUILT_IN, *_HELP) else homes()
    nouns = {**{word: home.help for word, home in studies.items()}, **_HELP}
    if not arguments:
        raise BadInput(f"rac-ray what? valid: {', '.join((*nouns, 'results', 'replay', 'doctor'))}; see rac-ray --help")
    for name, help in nouns.items():
        group = app_of(name, help)
        app.command(group)
        if name == noun:
            rest = _fill(group, noun, rest)
        elif noun == INSTALL or (noun == COMPLETE and name in rest[:1]):
            _fill(group, name, ["--help"])
    add(app, "replay", replay)
    add(app, "doctor", doctor)
    app.register_install_completion_command(
        INSTALL, help="Install the completion of bash, zsh or fish.", version_flags=[]
    )
    flags = [*map(completed, flags_of(results)), WATCH, JSON]
    command(app, "results", (results.__doc__ or "").partition("\n")[0], flags, _results, examples=examples_of(results))
    return call(app, [noun, *rest])


def _fill(group: App, noun: str, arguments: list[str]) -> list[str]:
    """Add the verbs of a noun, a study's among them; returns the arguments with the verb that they mean."""
    own = COMMANDS.get(noun, {})
    sweeps = noun not in _HELP
    if not arguments:
        raise BadInput(f"rac-ray {noun} what? valid: {', '.join([*VERBS, *own] if sweeps else own)}; see --help")
    if sweeps and arguments[0] not in own:
        study, arguments = homes()[noun].load(), with_verb(arguments, own)
        program = Program(study.name, ("rac-ray", noun))
        group.help = described(study, program)
        add_verbs(group, study, program, arguments)
    for name, function in own.items():
        add(group, name, function)
    return arguments


def add(app: App, name: str, function: Callable[..., int]) -> None:
    """Add a command whose function prints what it has to say and returns the exit code."""
    flags: list[Flag] = [completed(flag) for flag in flags_of(function)]
    help, act = (function.__doc__ or "").partition("\n")[0], partial(_called, function)
    command(app, name, help, flags, act, examples=examples_of(function))


def _called(function: Callable[..., int], given: dict[str, Any]) -> int:
    return function(**arguments_of(function, given))


def _results(given: dict[str, Any]) -> int:
    settings = arguments_of(results, given)
    if given["watch"] is not None:
        require_one(given)
        if settings["leaderboard"]:
            raise BadInput("--leaderboard and --watch: valid: one of them")
        sweep = Storage.at(one_folder(settings["folder"]))
        to = Storage.at(settings["to"]) if settings["to"] else sweep.below(ALL_PRESETS)
        return watch(Ledger(sweep), to, settings["wanted"], given["watch"], given["json"], study_of=study_of)
    found = results(**settings)
    print(as_text(found, given["json"]), flush=True)
    return found.code


if __name__ == "__main__":
    main()
