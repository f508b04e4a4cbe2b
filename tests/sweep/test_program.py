"""How a sweep was called, and how a cluster calls it."""

import sys
from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.sweep.program import Program


def test_a_script_brings_its_own_folder(tmp_path: Path, repository: Path) -> None:
    """Those of this project bring the checkout; one in a home does not bring all homes."""
    (tmp_path / "my sweep.py").write_text("")
    own = Program.of_script(str(tmp_path / "my sweep.py"))
    assert (own.name, own.working_dir) == ("my sweep", tmp_path)
    assert own.said(["status"]) == f"python '{tmp_path}/my sweep.py' status"
    assert own.entrypoint(["run", "--only", "h<=8"]) == "python 'my sweep.py' run --only 'h<=8'"
    ours = Program.of_script(str(repository / "sweeps/ts_grid.py"))
    assert (ours.working_dir, ours.entrypoint(["run"])) == (repository, "python sweeps/ts_grid.py run")


def test_a_script_is_said_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Program.of_script("mine.py").said(["status"]) == "python mine.py status"


def test_a_script_is_typed_with_its_own_python_unless_that_is_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "env/bin/python"
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(python.parent))
    monkeypatch.chdir(tmp_path)
    assert Program.of_script("mine.py").typed(["status"]) == "env/bin/python mine.py status"
    python.parent.mkdir(parents=True)
    python.write_text("")
    python.chmod(0o700)
    assert Program.of_script("mine.py").typed(["status"]) == "python mine.py status"
    python.rename(tmp_path / "other")
    monkeypatch.chdir(python.parent)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "other"))
    assert Program.of_script("mine.py").typed(["status"]) == f"{tmp_path}/other mine.py status"
    assert Program("ts_grid", ("rac-ray", "ts")).typed(["run"]) == "rac-ray ts run"


def test_an_installed_command_is_the_same_everywhere() -> None:
    program = Program("ts_grid", ("rac-ray", "ts"))
    assert program.working_dir is None
    assert program.said(["run"]) == program.entrypoint(["run"]) == "rac-ray ts run"


def test_a_script_that_is_not_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(BadInput, match=r"mine\.py' is not a file below '.*/inside', which is what the cluster gets"):
        Program.of_script(str(tmp_path / "mine.py"), tmp_path / "inside").entrypoint([])
