"""Command-line arguments that are handed on to another command, on this machine or another one."""

from collections.abc import Callable

from rac_ray.studies.study import Study
from rac_ray.sweep.options import place, places


def without(arguments: list[str], flags: tuple[str, ...]) -> list[str]:
    """Command-line arguments less some flags and their values, given as ``--flag value`` or ``--flag=value``."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if not skip and argument.partition("=")[0] not in flags:
            kept.append(argument)
        skip = not skip and argument in flags
    return kept


def absolute(study: Study, arguments: list[str]) -> list[str]:
    """Arguments in which the paths of the study's own options are absolute."""
    flags = {f"--{each.name.replace('_', '-')}": each.parse for each in study.options if each.parse in (place, places)}
    found: list[str] = []
    parse: Callable[[str], str] | None = None
    for argument in arguments:
        flag, sign, value = argument.partition("=")
        if parse is not None:
            found.append(parse(argument))
        elif flag in flags and sign:
            found.append(f"{flag}={flags[flag](value)}")
        else:
            found.append(argument)
        parse = flags.get(argument) if parse is None else None
    return found
