"""The changelog has the form of Keep a Changelog, and knows the version of the package."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CHANGELOG.md").read_text()
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def test_versions_and_sections_are_named_as_the_form_says() -> None:
    versions = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert [
        each for each in versions[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - (unreleased|\d{4}-\d\d-\d\d)", each)
    ] == []
    assert set(re.findall(r"^### (.*)$", TEXT, re.MULTILINE)) <= set(SECTIONS)


def test_the_newest_version_is_the_packages() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## \[(\d[^\]]*)\]", TEXT, re.MULTILINE)
    assert newest
    assert newest[1] == version


def test_lines_fit() -> None:
    assert max(map(len, TEXT.splitlines())) <= 130
