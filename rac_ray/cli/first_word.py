"""What a command says before its libraries are loaded, which takes seconds: within one, that it has begun."""

import sys
from collections.abc import Sequence

SLOW = ("run", "plan", "status", "results", "retry", "describe")
"""Verbs that load much."""
_NO_SWEEPS = ("data", "doctor", "replay")
"""Nouns of ``rac-ray`` that are no studies."""
_QUIET = ("-h", "--help", "--help-all", "--version")


def begun(arguments: Sequence[str], nouns: int = 0) -> str:
    """What to say of a command that may take a while; nothing of any other.

    So many ``nouns`` may come before the verb; a noun alone, or none, with options means the verb ``run``.
    """
    if any(word in _QUIET for word in arguments):
        return ""
    words = [word for word in arguments[: nouns + 1] if not word.startswith("-")]
    if nouns and (not words or words[0] in _NO_SWEEPS):
        return ""
    alone = len(words) == nouns and (not nouns or len(arguments) > len(words))
    verb = next((word for word in words if word in SLOW), "run" if alone else "")
    return f"{verb}: loading" if verb else ""


def say_begun(arguments: Sequence[str], nouns: int = 0) -> None:
    """Say it on stderr: what a program reads from stdout stays as it is."""
    if said := begun(arguments, nouns):
        print(said, file=sys.stderr, flush=True)
