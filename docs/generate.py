"""Pages of the documentation that nobody writes by hand, and the repository's other pages, for MkDocs.

The command line's page is what the commands print, that of the modules their docstrings' first lines. Links between
pages are those that work in the repository, too: to a file, from the file that they stand in.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from rac_ray.cli.command import COMMANDS
from rac_ray.cli.sweep import VERBS

ROOT = Path(__file__).parents[1]
DOCS = "docs/"
HOME, INDEX = "README.md", "index.md"
PAGES = (
    HOME, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/RESULTS.md", "cluster/aws.md", "cluster/gcp.md",
    "examples/own_videos/README.md",
)  # fmt: skip
"""Pages of the site that do not lie in this folder."""
CODE = ("rac_ray", "sweeps", "benchmarks")
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere, what pages link to, and those that are generated."""
    written = [*(f"{DOCS}{each.src_uri}" for each in files.documentation_pages()), *PAGES]
    linked = {target for page in written for target in _targets(page)} - set(written)
    for path in [*PAGES, *sorted(each for each in linked if not each.startswith(DOCS))]:
        files.append(File.generated(config, _uri(path), abs_src_path=str(ROOT / path)))
    for name, text in {"command-line.md": command_line(), "modules.md": modules()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links between files of the repository as links between pages of the site."""
    here = page.file.src_uri

    def linked(found: re.Match[str]) -> str:
        target = _uri(_target(_path(here), found[1]))
        return relpath(target, PurePosixPath(here).parent) + (found[2] or "")

    return LINK.sub(linked, markdown)


def _path(uri: str) -> str:
    """In the repository, of a page of the site."""
    return HOME if uri == INDEX else uri if uri in PAGES else f"{DOCS}{uri}"


def _uri(path: str) -> str:
    """On the site, of a file of the repository."""
    return INDEX if path == HOME else path.removeprefix(DOCS)


def _targets(page: str) -> Iterator[str]:
    for found in LINK.finditer((ROOT / page).read_text()):
        target = _target(page, found[1])
        if (ROOT / target).is_file():
            yield target


def _target(page: str, link: str) -> str:
    return normpath(f"{PurePosixPath(page).parent}/{link}")


def command_line() -> str:
    """What every command says of itself, all options included."""
    nouns = {**COMMANDS, "ts": dict.fromkeys(VERBS), "diving48": {"run": None, **COMMANDS["diving48"]}}
    commands = [
        [],
        *([noun, verb] for noun, verbs in nouns.items() for verb in verbs),
        ["results"],
        ["replay"],
        ["doctor"],
    ]
    parts = [
        "# Command line\n\nWhat each command says with `--help-all`. In a clone, `python sweeps/ts_grid.py` does what "
        "`rac-ray ts` does, `python sweeps/diving48.py` what `rac-ray diving48` does. All studies have the same verbs."
    ]
    parts += [f"## `{' '.join(['rac-ray', *command])}`\n\n```text\n{_help(command)}\n```" for command in commands]
    return "\n\n".join(parts) + "\n"


def _help(command: list[str]) -> str:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    program = [sys.executable, "-m", "rac_ray.cli.command", *command, "--help-all"]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def modules() -> str:
    """Every module and what it is for, folder by folder."""
    parts = ["# Modules\n\nWhat each file is for, in the words of its first line. Tests lie in `tests/`, file by file."]
    for folder in sorted({path.parent for code in CODE for path in (ROOT / code).rglob("*.py")}):
        rows = [(path.name, about(path)) for path in sorted(folder.glob("*.py"))]
        name = folder.relative_to(ROOT).as_posix()
        listed = [f"| `{file}` | {first} |" for file, first in rows if file != "__init__.py"]
        of_folder = [first for file, first in rows if file == "__init__.py" and first]
        parts.append("\n".join([f"## `{name}/`\n", *of_folder, "\n| file | what |\n|---|---|", *listed]))
    return "\n\n".join(parts) + "\n"


def about(path: Path) -> str:
    """First paragraph of a module's docstring, as a cell of a table."""
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")
