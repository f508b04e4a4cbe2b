"""``CITATION.cff``: its schema, the version of the package, and the study's authors where the study is."""

import tomllib
from pathlib import Path

import yaml

from tests.packaging.test_workflows import checked

ROOT = Path(__file__).parents[2]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STUDY = ["Broomé", "Pokropek", "Li", "Kjellström"]


def test_it_follows_the_schema(tmp_path: Path) -> None:
    assert checked("vendor.citation-file-format", ROOT / "CITATION.cff").returncode == 0
    wrong = tmp_path / "CITATION.cff"
    wrong.write_text((ROOT / "CITATION.cff").read_text().replace("authors:", "writers:"))
    assert checked("vendor.citation-file-format", wrong).returncode == 1


def test_it_is_of_the_package() -> None:
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"].split(" AND ")
    assert [each["name"] for each in CITATION["authors"]] == [each["name"] for each in PROJECT["authors"]]


def test_the_studys_authors_are_the_studys() -> None:
    """Nobody of them wrote this software."""
    (reference,) = CITATION["references"]
    assert reference == CITATION["preferred-citation"]
    assert [each["family-names"] for each in reference["authors"]] == STUDY
