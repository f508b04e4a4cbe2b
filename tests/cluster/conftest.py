"""A laptop from which clusters are started: its own home, cloud credentials that open nothing, and a small project."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.files import PROJECT


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name in (".ray", ".aws", "project"):
        (home / name).mkdir()
    (home / ".ray/auth_token").write_text("not a token")
    for name in ("rac_ray", "sweeps", "cluster/monitoring"):
        (home / "project" / name).mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, home / "project")
    credentials = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in {"HOME": str(home), "AWS_DEFAULT_REGION": "us-east-1", **credentials}.items():
        patch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        patch.delenv(name, raising=False)
    # Ray keeps what it has worked out in the folder for temporary files.
    patch.setattr(tempfile, "tempdir", str(home))
    patch.chdir(home / "project")
    return home
