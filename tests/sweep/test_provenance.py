import os
import subprocess
import sys
from pathlib import Path

import pytest

import rac_ray.sweep.provenance
from rac_ray.sweep.provenance import COMMIT, UNKNOWN, commit


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(COMMIT, raising=False)
    (tmp_path / "package" / "sweep").mkdir(parents=True)
    (tmp_path / "package" / "sweep" / "code.py").write_text("1")
    monkeypatch.setattr(rac_ray.sweep.provenance, "__file__", str(tmp_path / "package" / "sweep" / "code.py"))
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    for words in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "-m", "first")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_the_commit_is_named_with_its_changes(repository: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    assert commit() == head.stdout[:12]
    (repository / "package" / "sweep" / "code.py").write_text("2")
    assert commit() == f"{head.stdout[:12]}+changes"


def test_what_is_on_the_path_and_not_installed_has_no_version(tmp_path: Path) -> None:
    """As a checkout on ``PYTHONPATH``; asked before the first step, so that no training is lost for it."""
    code = "from rac_ray.sweep.provenance import versions; print(set(versions().values()))"
    (tmp_path / "rac_ray").symlink_to(Path(__file__).parents[2] / "rac_ray")
    here = {**os.environ, "PYTHONPATH": str(tmp_path)}
    bare = [sys.executable, "-S", "-c", code]  # without the folder in which packages are installed
    assert (
        subprocess.run(bare, cwd=tmp_path, env=here, capture_output=True, text=True, check=True).stdout
        == "{'unknown'}\n"
    )


def test_code_outside_of_a_repository_is_unknown_unless_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / ".git").rename(repository / "elsewhere")
    assert commit() == UNKNOWN
    monkeypatch.setenv(COMMIT, "abc123")
    assert commit() == "abc123"
