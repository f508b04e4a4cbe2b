"""The commit of the code that made a result, and the versions of its libraries."""

import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

COMMIT = "RAC_RAY_COMMIT"
"""Environment variable: the commit, where the code lies without its repository (a submitted job, an image)."""
UNKNOWN = "unknown"
RECORDED = ("rac-ray", "torch", "pytorch-lightning", "ray", "timesformer-pytorch", "numpy")
"""Packages whose versions stand in every record."""


def versions() -> dict[str, str]:
    """Version of each recorded package, ``unknown`` for one that is on the path and not installed."""
    return {name: package_version(name) for name in RECORDED}


def package_version(name: str) -> str:
    """The version that is installed, or ``unknown``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return UNKNOWN


def commit() -> str:
    """The git commit of this package's code, ``+changes`` behind it when files differ, or ``unknown``."""
    named = os.environ.get(COMMIT)
    if named:
        return named
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return UNKNOWN
    head, changes = (_git(folder, *words) for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain")))
    return UNKNOWN if head is None or changes is None else head + ("+changes" if changes else "")


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where it is not installed or refuses."""
    try:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
