"""Arguments that are handed on to another command."""

from pathlib import Path

import pytest

from rac_ray.cli.arguments import absolute, without
from sweeps.diving48 import STUDY as DIVING48


def test_arguments_that_are_handed_on() -> None:
    given = ["run", "--submit", "http://x", "--preset", "demo", "--storage=here", "--json", "--data", "there"]
    assert without(given, ("--submit", "--storage", "--data")) == ["run", "--preset", "demo", "--json"]


def test_paths_are_handed_over_as_absolute_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["run", "--masks", "data/masks", "--experiment", "c", "--published=films", "--only", "masks"]
    assert absolute(DIVING48, given) == [
        "run", "--masks", f"{tmp_path}/data/masks", "--experiment", "c", f"--published={tmp_path}/films", "--only",
        "masks",
    ]  # fmt: skip
    assert absolute(DIVING48, ["run", "--masks", "s3://bucket/masks"])[2] == "s3://bucket/masks"
