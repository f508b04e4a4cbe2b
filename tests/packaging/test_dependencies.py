"""What the package imports is what its metadata asks for."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BROUGHT = {"llvmlite": "numba"}
"""Imported packages that always come with another one, at a version that this one chooses."""


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def imported() -> dict[str, str]:
    """Top-level packages of others that the package imports, anywhere, by one of the modules that do."""
    found = {}
    for path in sorted((ROOT / "rac_ray").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            found |= {name.partition(".")[0]: str(path.relative_to(ROOT)) for name in names}
    return {name: path for name, path in found.items() if name not in ("rac_ray", *sys.stdlib_module_names)}


def test_every_import_is_asked_for() -> None:
    extras = [each for name, extra in PROJECT["optional-dependencies"].items() if name != "dev" for each in extra]
    asked = {normal(each) for each in (*PROJECT["dependencies"], *extras)}
    installed = packages_distributions()
    # torchvision lies apart from the rest where its build may not fit torch's (Makefile)
    by_name = {
        name: {normal(each) for each in (BROUGHT.get(name, name), *installed.get(name, ()))} for name in imported()
    }
    assert {name: imported()[name] for name, names in by_name.items() if not names & asked} == {}
    assert len(by_name) > 20


def test_the_lowest_versions_are_those_that_are_declared() -> None:
    extras = [each for name, extra in PROJECT["optional-dependencies"].items() if name != "dev" for each in extra]
    asked = [each for each in (*PROJECT["dependencies"], *extras) if normal(each) != "rac-ray"]
    lowest = {normal(each): re.findall(r"[>=]=([\d.]+)", each) for each in asked}
    lines = (ROOT / "constraints-minimum.txt").read_text().splitlines()
    assert lines == sorted(lines, key=str.lower)
    assert {normal(line): [line.partition("==")[2]] for line in lines} == lowest


def test_what_is_developed_with_is_pinned() -> None:
    pinned = {normal(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = [each for extra in PROJECT["optional-dependencies"].values() for each in extra]
    asked = {normal(each) for each in (*PROJECT["dependencies"], *extras)} - {"rac-ray"}
    assert asked - pinned == set()
