"""A run's own folder, and what a killed run left of its."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rac_ray.sweep.scratch import OWNER, left_behind, scratch

KILLED = """
import os, signal
from rac_ray.sweep.scratch import scratch
with scratch() as folder:
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_lives_as_long_as_its_run(temporary: Path) -> None:
    with scratch() as folder:
        assert Path(folder).parent == temporary
        assert [each.name for each in Path(folder).iterdir()] == [OWNER]
        assert left_behind() == []
    assert list(temporary.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next_one_and_nothing_else(temporary: Path) -> None:
    here = {**os.environ, "TMPDIR": str(temporary)}
    left = [
        Path(subprocess.run([sys.executable, "-c", KILLED], env=here, capture_output=True, text=True).stdout.strip())
        for _ in range(2)
    ]
    (temporary / "rac_ray-of-nobody").mkdir()
    (temporary / "of-others").mkdir()
    assert [each for each in left if each.is_dir()] == left[1:], "the second one has removed what the first one left"
    (temporary / "rac_ray-link").symlink_to(left[1])
    with scratch() as living:
        assert not left[1].exists()
        with scratch():
            assert Path(living).is_dir()
    assert sorted(each.name for each in temporary.iterdir()) == ["of-others", "rac_ray-link", "rac_ray-of-nobody"]
