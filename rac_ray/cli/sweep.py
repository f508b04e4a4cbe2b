"""The command line of every sweep, derived from the verbs' signatures in ``api`` and the study's options."""

import json
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from cyclopts import App

from rac_ray import api
from rac_ray.cli.arguments import absolute, without
from rac_ray.cli.completion import completed
from rac_ray.cli.derive import (
    HELP,
    HELP_ALL,
    VERSION,
    Flag,
    app_of,
    arguments_of,
    call,
    command,
    flags_of,
    of_option,
    require_verb,
)
from rac_ray.cli.exits import run_command
from rac_ray.cli.headings import under_heading
from rac_ray.cli.next_steps import next_step
from rac_ray.cli.values import integer
from rac_ray.errors import DONE, INTERRUPTED, BadInput
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.study import COMMAND, Study
from rac_ray.sweep.asked import as_last_run, looked_at, require_started, typed_last
from rac_ray.sweep.outcomes import Outcome, Results, Wanted, as_text
from rac_ray.sweep.program import Program

RUN_ONLY = (
    "retry_preempted", "retry_out_of_memory", "retry_not_finite", "retry_data", "retry_code", "retry_stalled",
    "back_off", "stall_factor", "stall_seconds", "dashboard", "take_over", "verbose",
)  # fmt: skip
"""Fields of ``Resources`` that only a run has; a plan has the rest."""
JSON = Flag("json", bool, False, "One JSON object on stdout; events go to stderr.")
SUBMIT = Flag(
    "submit", str | None, None, "Hand the run to the cluster whose dashboard is at this URL, and return at once."
)
_DRY_RUN = Flag("dry_run", bool, False, "Only show what would run, as plan does; write nothing.")
_LIST = Flag("list", bool, False, "Also list the trials, a line for each.")
_FAILED = Flag("failed", bool, False, "The trials that were given up; that is all that there is to retry.")
WATCH = Flag(
    "watch", int | None, None, "Look again so often, in seconds, until the sweep is done.", integer("--watch", 1)
)


@dataclass(frozen=True)
class Verb:
    """One command, and the function that does it."""

    function: Callable[..., Any]
    extra: tuple[Flag, ...] = ()
    omit: tuple[str, ...] = ()
    grid: bool = True
    """Whether the study's options narrow what it looks at."""
    examples: tuple[str, ...] = ()
    """Arguments after the verb; ``{preset}`` is the study's first one."""
    reads: bool = False
    """Whether it looks at what has been run, whichever preset that was, when none is named."""
    shown: tuple[str, ...] = ()
    """Names of options that its short help shows, though they are rare elsewhere."""

    @property
    def help(self) -> str:
        """First sentence of the function."""
        return (self.function.__doc__ or "").partition("\n")[0]

    def flags(self, study: Study) -> list[Flag]:
        """All of its options."""
        own = [_with_defaults(flag, study, self.reads) for flag in flags_of(self.function, self.omit)]
        options = [of_option(option) for option in study.all_options] if self.grid else []
        flags = [*own[:1], *options, *own[1:], *self.extra, JSON]
        return [completed(under_heading(flag, study, self.shown), study) for flag in flags]

    def commands(self, name: str, program: str, study: Study) -> list[str]:
        """Its examples as they are typed."""
        preset = next(iter(study.presets))
        return [f"{program} {name} {each.format(preset=preset)}".rstrip() for each in self.examples]


VERBS = {
    "run": Verb(
        api.run,
        (SUBMIT, _DRY_RUN),
        examples=(
            "--preset {preset}",
            "--preset {preset} --dry-run",
            "--preset {preset} --only 'seed=42' --num-cpus 2",
        ),
    ),
    "plan": Verb(
        api.plan,
        (_LIST,),
        omit=RUN_ONLY,
        examples=("--preset {preset} --probe-seconds 0 --list", "--num-cpus 96 --num-gpus 8 --price-per-hour 20"),
        shown=("probe_seconds", "price_per_hour"),
    ),
    "status": Verb(api.status, reads=True, examples=("--preset {preset}", "--preset {preset} --verbose")),
    "describe": Verb(api.describe, reads=True, examples=("8d54fc745519",)),
    "retry": Verb(
        api.run,
        (_FAILED, SUBMIT, _DRY_RUN),
        examples=("--preset {preset} --dry-run", "--preset {preset}"),
    ),
    "cancel": Verb(api.cancel, grid=False, examples=("--preset {preset}",)),
    "clean": Verb(api.clean, grid=False, examples=("--preset {preset}", "--preset {preset} --yes")),
    "import": Verb(api.take_in, grid=False, examples=("theirs/ts_grid", "theirs.tar.zst")),
    "results": Verb(
        api.results,
        (WATCH,),
        reads=True,
        examples=("--preset {preset} --verdict", "--preset {preset} --to ./local", "--watch 30"),
    ),
    "replay": Verb(api.replay, grid=False, examples=("theirs.tar.zst", "theirs.tar.zst --retrain 2")),
}
_HELP = {"retry": "Run the trials that were given up once more, and what is missing."}


def sweep_main(study: Study, arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of a sweep script: one of the verbs, by default run what is missing and show what there is."""
    program = Program.of_script(sys.argv[0])
    run_command(lambda: _sweep(study, program, list(sys.argv[1:] if arguments is None else arguments)))


def _sweep(study: Study, program: Program, arguments: list[str]) -> int:
    arguments = with_verb(arguments)
    app = app_of(Path(sys.argv[0]).name, described(study, program))
    add_verbs(app, study, program, arguments)
    return call(app, arguments)


def with_verb(arguments: list[str], also: Collection[str] = ()) -> list[str]:
    """A sweep's arguments, with the verb ``run`` where there is none; BadInput for one that is unknown."""
    if arguments and arguments[0] in (*HELP, VERSION):
        return arguments
    if not arguments or arguments[0].startswith("-"):
        return ["run", *arguments]
    require_verb(arguments[0], [*VERBS, *also])
    return arguments


def described(study: Study, program: Program) -> str:
    """The study's description, with the command that was typed in its examples."""
    return study.description.replace(COMMAND, program.said())


def add_verbs(app: App, study: Study, program: Program, arguments: list[str]) -> None:
    """Add the verbs of a study to an app, which will be called with ``arguments``."""
    for name, verb in VERBS.items():
        act = partial(_act, study, program, name, verb, arguments)
        help, full = _HELP.get(name, verb.help), HELP_ALL in arguments
        examples = verb.commands(name, program.said(), study)
        command(app, name, help, verb.flags(study), act, examples=examples, full=full)


def _with_defaults(flag: Flag, study: Study, reads: bool) -> Flag:
    """The flag as a command has it: its preset by name, its probe by default."""
    changes: dict[str, Any] = {}
    if flag.name == "preset":
        all_of_them = "; all that have been run here, if none is named" * reads
        default = "" if reads else study.default_preset
        changes = {"default": default, "help": f"One of {', '.join(study.presets)}{all_of_them}."}
    elif flag.name == "probe_seconds":
        changes = {"default": study.probe_seconds}
    return Flag(**{**vars(flag), **changes})


def _act(study: Study, program: Program, name: str, verb: Verb, arguments: list[str], given: dict[str, Any]) -> int:
    """Do what a command asks for, and print what it came to."""
    if (address := given.get("address")) and "://" in address:
        raise BadInput(
            f"--address or $RAY_ADDRESS {address!r} is a dashboard's URL; valid: auto, or host:port; "
            "--submit takes a URL"
        )
    if verb.function is api.run and given["dry_run"]:
        verb = VERBS["plan"]
    asked = {option.name: given[option.name] for option in study.all_options} if verb.grid else {}
    settings = arguments_of(verb.function, given)
    if given.get("submit") is not None and not given["dry_run"]:
        return _told(_submitted(study, program, arguments, given["submit"], settings, asked), given)
    if "say" in verb.function.__annotations__ and given["json"]:
        settings["say"] = lambda line: print(line, file=sys.stderr, flush=True)
    if name == "retry":
        settings["retry_failed"] = True
    if name == "run" and given["dry_run"]:
        settings["as_last"] = False
    if given.get("watch") is not None:
        require_one(given)
        return _watched(study, given, settings, asked)
    names = looked_at(study, settings["preset"], settings["where"]) if verb.reads and name != "describe" else []
    if len(names) > 1 and not any(given.get(place) for place in ("to", "capsule", "export", "log")):
        each = {name: verb.function(study, **{**settings, "preset": name}, **asked) for name in names}
        return _told_of_each(each, given)
    if len(names) == 1:
        settings["preset"] = names[0]
    outcome = verb.function(study, **settings, **asked)
    code = _told(replace(outcome, listed=True) if given.get("list") else outcome, given)
    if isinstance(outcome, Results) and not given["json"] and code != INTERRUPTED:
        preset, asked_here = (names or [given["preset"]])[0], what_is_asked(study, arguments[1:])
        last = typed_last(study, preset, settings["where"], asked)
        print(f"next: {next_step(study, program, preset, given['storage'], asked_here, last, outcome)}")
    return code


def _told_of_each(outcomes: dict[str, Outcome], given: dict[str, Any]) -> int:
    """Print what several presets came to; of their exit codes that counts which says that something failed."""
    if given["json"]:
        print(json.dumps({preset: outcome.value() for preset, outcome in outcomes.items()}, indent=1, default=str))
    else:
        print("\n\n".join(f"preset {preset}\n{as_text(outcome, False)}" for preset, outcome in outcomes.items()))
    return min((outcome.code for outcome in outcomes.values() if outcome.code), default=DONE)


def _told(outcome: Outcome, given: dict[str, Any]) -> int:
    """Print it, and return its exit code; a run that was interrupted has said so, and shows no tables of nothing."""
    if outcome.code == INTERRUPTED and not given["json"]:
        return outcome.code
    print(as_text(outcome, given["json"]), flush=True)
    if isinstance(outcome, Results) and outcome.stopped and outcome.code != INTERRUPTED:
        said = f"{outcome.stopped[0].upper()}{outcome.stopped[1:]}"
        print(f"{said}; the same command goes on from here", file=sys.stderr)
    return outcome.code


def _watched(study: Study, given: dict[str, Any], settings: dict[str, Any], asked: dict[str, Any]) -> int:
    """Results again and again, until no trial runs or waits, or no driver lives that would run one."""
    made = as_last_run(study, settings["preset"], settings["where"], settings["which"], asked)
    require_started(made)
    folder = Storage.at(settings["to"]) if settings.get("to") else made.outputs
    of_plan = {"study_of": lambda _tables: made.study, **made.shown, "title": made.title}
    return watch(made.ledger, folder, settings["wanted"], given["watch"], given["json"], **of_plan)


def require_one(given: dict[str, Any]) -> None:
    """Raise BadInput for results that are both to be watched and to be logged."""
    if given["log"]:
        raise BadInput("--watch and --log: valid: one of them; `run --log` logs trials while they run")


def watch(ledger: Ledger, folder: Storage, wanted: Wanted, seconds: int, as_json: bool, **of_plan: Any) -> int:
    """Show the results of a ledger, or of a plan (``results.shown.show``), so often; JSON is a line per look."""
    from rac_ray.results.shown import show

    while True:
        found = show(ledger.storage, folder, wanted, **of_plan, refresh_seconds=seconds)
        unfinished = bool(found.counts["running"] + found.counts["pending"])
        alone = unfinished and ledger.driver() is None
        if alone:  # nobody is left who would change it: an open report need not look again
            found = show(ledger.storage, folder, wanted, **of_plan)
        said = as_text(found, as_json, indent=None)
        print(
            said if as_json or not alone else f"{said}\nno driver is running this sweep: nothing to watch", flush=True
        )
        if alone or not unfinished:
            return found.code
        time.sleep(seconds)


def _submitted(
    study: Study,
    program: Program,
    arguments: list[str],
    address: str,
    settings: dict[str, Any],
    asked: dict[str, Any],
) -> Any:
    """Hand over this very command, with absolute paths."""
    kept = absolute(study, without(arguments, ("--submit", "--address", "--storage", "--data")))
    chosen = {name: settings[name] for name in ("preset", "where", "which")}
    watch_it = ["status", *what_is_asked(study, kept[1:])]
    return api.submit(study, address, program, kept, watch_it, **chosen, **asked)


def what_is_asked(study: Study, arguments: list[str]) -> list[str]:
    """The arguments of a run that ``status`` has, too: what is run, and not how."""
    known = {flag.name for flag in VERBS["status"].flags(study)}
    how = [flag for name in ("run", "retry", "results") for flag in VERBS[name].flags(study) if flag.name not in known]
    written = {word: flag.kind is bool for flag in how for word in flag.words}
    valued = tuple(name for name, is_switch in written.items() if not is_switch)
    switches = {name for name, is_switch in written.items() if is_switch} | {"--json", "--verbose"}
    return [word for word in without(arguments, valued) if word not in switches]
