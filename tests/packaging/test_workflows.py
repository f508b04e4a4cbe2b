"""The workflows of GitHub: their schema, what they call, what they may, and the shell of a release, which is run."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BY_OTHERS = {"pypa/gh-action-pypi-publish"}
"""Actions that are not GitHub's own."""


def checked(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", schema, *files]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def workflow(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github/workflows" / name).read_text())


def steps() -> Iterator[dict[str, Any]]:
    for path in FILES:
        for job in workflow(path.name)["jobs"].values():
            yield from job.get("steps", [])


def in_shell(script: str, folder: Path, **variables: str) -> int:
    """The exit code of a step's shell, as GitHub starts it."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env={**os.environ, **variables}, check=False).returncode


def test_they_follow_the_schema_and_end_in_time() -> None:
    assert [path.name for path in FILES] == ["checks.yml", "release.yml", "weekly.yml"]
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        done = checked(schema, *FILES)
        assert done.returncode == 0, done.stdout


def test_a_misspelt_key_is_noticed(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(FILES[0].read_text().replace("runs-on:", "run-on:", 1))
    assert checked("vendor.github-workflows", wrong).returncode == 1


def test_they_call_what_there_is() -> None:
    called = re.findall(r"\bmake ([\w-]+)", "\n".join(each.get("run", "") for each in steps()))
    assert called == ["check", "test", "docs", "wheel", "test-minimum"]
    makefile = (ROOT / "Makefile").read_text()
    assert [target for target in called if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_actions_are_githubs_own_or_known_and_pinned_by_a_version() -> None:
    used = {each["uses"] for each in steps() if "uses" in each}
    assert {name for name in used if not re.fullmatch(r"[\w./-]+@v\d+(\.\d+)*", name)} == set()
    assert {name.partition("@")[0] for name in used if not name.startswith("actions/")} == BY_OTHERS


def test_tests_run_on_every_python_of_the_package() -> None:
    pythons = workflow("checks.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert pythons == named
    least, beyond = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    assert pythons == [f"3.{minor}" for minor in range(int(least), int(beyond))]


def test_the_lowest_versions_are_tested_on_the_lowest_python() -> None:
    (job,) = workflow("weekly.yml")["jobs"].values()
    (python,) = [each["with"]["python-version"] for each in job["steps"] if "setup-python" in each.get("uses", "")]
    assert PROJECT["requires-python"].startswith(f">={python},")


def test_only_a_release_may_write() -> None:
    for path in FILES:
        assert workflow(path.name)["permissions"] == {"contents": "read"}
    jobs = {name: job for path in FILES for name, job in workflow(path.name)["jobs"].items()}
    rights = {name: job["permissions"] for name, job in jobs.items() if "permissions" in job}
    assert rights == {"pypi": {"id-token": "write"}, "github": {"contents": "write"}}
    assert jobs["pypi"]["needs"] == ["checks", "version"]
    assert "secrets." not in "".join(path.read_text() for path in FILES)


@pytest.mark.parametrize(
    ("tag", "heading", "codes"), [("v1.2.3", "2027-01-31", [0, 0]), ("v1.2.4", "unreleased", [1, 1])]
)
def test_a_tag_is_the_version_and_has_a_date(tag: str, heading: str, codes: list[int], tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text().replace(f'version = "{PROJECT["version"]}"', 'version = "1.2.3"')
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## [{tag[1:]}] - {heading}\n")
    scripts = [each["run"] for each in workflow("release.yml")["jobs"]["version"]["steps"] if "run" in each]
    assert [in_shell(script, tmp_path, GITHUB_REF_NAME=tag) for script in scripts] == codes


def test_notes_of_a_release_are_its_changes(tmp_path: Path) -> None:
    """``gh`` is a script that keeps what it is told."""
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin/gh"
    gh.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > told\n')
    gh.chmod(0o755)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/one.whl").write_text("")
    versions = "## [1.2.3] - 2027-01-31\n\n### Added\n\n- this\n\n## [1.2.2] - 2026-01-31\n\n- that\n"
    changes = f"# Changelog\n\n## [Unreleased]\n\n{versions}"
    (tmp_path / "CHANGELOG.md").write_text(changes)
    script = workflow("release.yml")["jobs"]["github"]["steps"][-1]["run"]
    path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
    assert in_shell(script, tmp_path, GITHUB_REF_NAME="v1.2.3", PATH=path) == 0
    assert (tmp_path / "notes.md").read_text() == "\n### Added\n\n- this\n\n"
    told = (tmp_path / "told").read_text().splitlines()
    assert told[:3] == ["release", "create", "v1.2.3"]
    assert told[-2:] == ["dist/one.whl", "constraints.txt"]
