"""A command line out of a function's signature: its parameters, the fields of its dataclasses, a study's own options.

cyclopts parses and prints the help. A value that is none is told in one sentence, with the flag and what is valid.
"""

import ast
import inspect
import os
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.exceptions import MissingArgumentError, UnknownOptionError, UnusedCliTokensError
from docstring_parser import parse as parse_docstring

import rac_ray
from rac_ray.cli.values import auto_or_integer, integer, number
from rac_ray.counted import counted
from rac_ray.errors import BadInput, one_of
from rac_ray.sweep.options import Option

NOT_OFFERED = ("study", "say", "asked", "retry_failed", "as_last")
"""Parameters of verbs that no command line has."""
HELP_ALL = "--help-all"
HELP = ("-h", "--help", HELP_ALL)
VERSION = "--version"
OPTIONS = "Options"
"""Heading of options that have no other."""


@dataclass(frozen=True)
class Flag:
    """One option of a command."""

    name: str
    """A Python name; ``hidden_units`` is ``--hidden-units``."""
    kind: Any
    """The type of its value."""
    default: Any
    help: str
    parse: Callable[[str], Any] | None = None
    """Makes the value of its text; None: cyclopts knows how."""
    positional: bool = False
    repeated: bool = False
    origin: Any = None
    """The dataclass of which it is a field."""
    heading: str = ""
    """What it stands below in the long help."""
    rare: bool = False
    """Whether only the long help has it."""
    values: tuple[str, ...] = ()
    """Values that a shell offers."""
    complete: Callable[[Any], list[str]] | None = None
    """Values that a shell asks for, by cyclopts' context of what is typed."""
    is_path: bool = False
    """Whether a shell offers files and folders."""

    @property
    def is_many(self) -> bool:
        """Whether it is an argument that takes all words that are left, of which there is one at least."""
        return self.positional and get_origin(self.kind) is list

    @property
    def words(self) -> tuple[str, ...]:
        """How it is typed; a switch that is on has a word that turns it off."""
        written = self.name.replace("_", "-")
        return (f"--{written}", f"--no-{written}") if self.kind is bool and self.default is True else (f"--{written}",)

    def parameter(self, group: Group | None = None, *, show: bool = True) -> inspect.Parameter:
        """The option as a parameter of a signature that cyclopts reads, and shows below the heading of a group."""
        plain = self.default in (None, "", False, True, MISSING) or isinstance(self.default, list)
        negative = next(iter(self.words[1:]), "")
        given: dict[str, Any] = {"help": self.help, "negative": negative, "show_default": not plain, "show": show}
        if group and not self.positional:
            given["group"] = group
        parse = str if self.parse is None and (self.values or self.is_path) else self.parse
        if parse is not None:
            texts = (lambda tokens: ";".join(each.value for each in tokens)) if self.repeated else _first
            given |= {"converter": lambda _type, tokens: parse(texts(tokens)), "n_tokens": 1, "accepts_keys": False}
        if self.kind is Any:
            given |= {"metavar": "TEXT"}
        if self.values or self.is_path:
            given |= {"show_choices": False, "metavar": "NAME" if self.values else "PATH"}
        # any text is taken, as before: what is none of the values is told in our own words
        own = get_args(self.kind)[0] if self.is_many else self.kind
        also = Literal[self.values] if self.values else Path if self.is_path else own
        offered = Union[also, own]  # noqa: UP007 - of values that are known only now
        given |= {"completer": self.complete} if self.complete else {}
        kind = inspect.Parameter.POSITIONAL_ONLY if self.positional else inspect.Parameter.KEYWORD_ONLY
        if self.is_many:
            kind, given["required"] = inspect.Parameter.VAR_POSITIONAL, True
        default = inspect.Parameter.empty if self.default is MISSING else self.default
        return inspect.Parameter(self.name, kind, default=default, annotation=Annotated[offered, Parameter(**given)])


def flags_of(function: Callable[..., Any], omit: Collection[str] = ()) -> list[Flag]:
    """The options that a function's signature has, dataclasses flattened; without those whose names are in ``omit``."""
    told = {each.arg_name: each.description or "" for each in parse_docstring(function.__doc__ or "").params}
    found: list[Flag] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in NOT_OFFERED:
            continue
        if is_dataclass(parameter.annotation):
            found += _fields_of(parameter.annotation)
            continue
        default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
        positional = default is MISSING and parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        found.append(_flag(name, parameter.annotation, default, told.get(name, ""), {}, positional))
    return [flag for flag in found if flag.name not in omit]


def examples_of(function: Callable[..., Any]) -> list[str]:
    """The commands in the section ``Examples`` of a function's docstring."""
    parsed = parse_docstring(function.__doc__ or "").examples
    return [line for each in parsed for line in (each.description or "").splitlines() if line]


def _fields_of(cls: Any, prefix: str = "") -> list[Flag]:
    hints, told = get_type_hints(cls), _docs(cls)
    found: list[Flag] = []
    for each in fields(cls):
        if is_dataclass(hints[each.name]):
            found += _fields_of(hints[each.name], each.metadata.get("prefix", ""))
        else:
            name = _name(each, prefix)
            flag = _flag(name, hints[each.name], _default(each), told.get(each.name, ""), each.metadata)
            found.append(replace(flag, origin=cls))
    return found


def _name(each: "Field[Any]", prefix: str) -> str:
    return prefix + each.metadata.get("flag", each.name)


def _default(each: "Field[Any]") -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _flag(name: str, kind: Any, default: Any, told: str, metadata: Mapping[str, Any], positional: bool = False) -> Flag:
    """A flag whose numbers are checked, with its default from the environment where there is one."""
    flag, variable = f"--{name.replace('_', '-')}", metadata.get("env")
    what = f"{flag} or ${variable}" if variable else flag
    kinds = [each for each in (get_args(kind) or (kind,)) if each is not type(None)]
    parse: Callable[[str], Any] | None = None
    if own := metadata.get("parse"):
        return Flag(name, Any, default, told, own)
    if kinds == [int]:
        parse = integer(what, metadata.get("least", 0))
    elif kinds == [float]:
        parse = number(what)
    elif int in kinds:
        parse = auto_or_integer(what, metadata.get("least", 0))
    if variable and os.environ.get(variable):
        text = os.environ[variable]
        default = parse(text) if parse else text
    return Flag(name, kind, default, told, parse, positional)


def of_option(option: Option) -> Flag:
    """A study's own option as a flag."""
    kind = list[str] | None if option.repeated else Any
    return Flag(option.name, kind, None, option.help, option.parse, repeated=option.repeated)


def _first(tokens: Sequence[Any]) -> str:
    return tokens[0].value


def arguments_of(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What to call a function with, given the values of its flags; dataclasses are put together again."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in NOT_OFFERED:
            continue
        if is_dataclass(parameter.annotation):
            found[name] = _instance(parameter.annotation, given)
        elif name in given:
            found[name] = given[name]
    return found


def _instance(cls: Any, given: Mapping[str, Any], prefix: str = "") -> Any:
    hints, values = get_type_hints(cls), {}
    for each in fields(cls):
        if is_dataclass(hints[each.name]):
            values[each.name] = _instance(hints[each.name], given, each.metadata.get("prefix", ""))
        elif _name(each, prefix) in given:
            values[each.name] = given[_name(each, prefix)]
    return cls(**values)


@lru_cache(maxsize=32)
def _docs(cls: Any) -> dict[str, str]:
    """The docstrings under the fields of a dataclass."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    found, last = {}, ""
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            found[last] = inspect.cleandoc(str(node.value.value)).replace("``", "").replace("\n", " ")
            last = ""
    return found


def app_of(name: str, help: str) -> App:
    """An app without commands; it tells its version."""
    told = lambda: f"rac-ray {rac_ray.__version__}"  # noqa: E731 - reading it takes a while
    return App(name=name, help=help, help_format="plaintext", version=told, version_flags=[VERSION])


def command(
    app: App,
    name: str,
    help: str,
    flags: Sequence[Flag],
    act: Callable[[dict[str, Any]], int],
    *,
    examples: Sequence[str] = (),
    full: bool = True,
) -> None:
    """Add a command to an app; ``act`` gets the values of its flags, and returns its exit code.

    Its help ends with the examples. It shows every flag below its heading, or, unless ``full``, those that are not rare
    below one, and how to see the others.
    """

    def called(*positional: Any, **given: Any) -> int:
        alone = [flag.name for flag in flags if flag.positional and not flag.is_many]
        words = dict(zip(alone, positional, strict=False))
        words |= {flag.name: list(positional[len(alone) :]) for flag in flags if flag.is_many}
        return act({**{flag.name: flag.default for flag in flags}, **words, **given})

    headings = list(dict.fromkeys(flag.heading or OPTIONS if full else OPTIONS for flag in flags))
    groups = {heading: Group(heading, sort_key=number) for number, heading in enumerate(headings)}
    parameters = [
        flag.parameter(groups[flag.heading or OPTIONS if full else OPTIONS], show=full or not flag.rare)
        for flag in sorted(flags, key=lambda flag: not flag.positional)
    ]
    called.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    called.__doc__ = help
    hidden = 0 if full else sum(flag.rare for flag in flags)
    more = [f"{counted(hidden, 'more option')}: {HELP_ALL}"] if hidden else []
    said = "\n\n".join(["\n".join(["Examples:", *(f"  {each}" for each in examples)])] * bool(examples) + more)
    app.command(called, name=name, sort_key=len(list(app)), help_epilogue=said or None)


def call(app: App, arguments: Sequence[str]) -> int:
    """Parse arguments and run the command that they name; what cannot be parsed raises BadInput."""
    shown = ["--help" if argument == HELP_ALL else argument for argument in arguments]
    app.suppress_keyboard_interrupt = False  # an interrupted command says so, in ``run_command``
    try:
        found = app(shown, exit_on_error=False, print_error=False, result_action="return_value")
    except UnknownOptionError as error:
        raise BadInput(f"{_sentence(error)}; see --help") from None
    except UnusedCliTokensError as error:
        raise BadInput(f"unrecognized arguments: {' '.join(error.unused_tokens or ())}; see --help") from None
    except MissingArgumentError as error:
        names = error.argument.names[0] if error.argument else "an argument"
        raise BadInput(f"{names.strip('-').lower()} is required; see --help") from None
    except CycloptsError as error:
        raise BadInput(f"{_sentence(error)}; see --help") from None
    return int(found or 0)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text[0].lower() + text[1:]


def require_verb(name: str, verbs: Collection[str]) -> None:
    """Raise BadInput for a verb that there is not."""
    if name not in verbs:
        raise one_of("verb", name, verbs)
