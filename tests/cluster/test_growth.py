"""A cluster that grows from its head alone: Ray sees at once all trials that it will hold and starts nodes for them."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from tests.cluster.hosts import cannot, hosts


@pytest.mark.slow
def test_trials_make_the_cluster_grow(repository: Path, tmp_path: Path) -> None:
    if reason := cannot():
        pytest.skip(reason)
    key, shared = tmp_path / "key", tmp_path / "shared"
    shared.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    settings = f"PATH={Path(sys.executable).parent}:$PATH RAY_AUTH_MODE=disabled RAY_USAGE_STATS_ENABLED=0"
    inside = f"cd {shlex.quote(str(repository))} && {settings} python -m tests.cluster.growing {shared}"
    with hosts(1, tmp_path / "hosts", shared, key.with_suffix(".pub")) as (host,):
        unknown = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        command = ["ssh", "-i", str(key), *unknown, f"root@{host.address}", inside]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ledger = Ledger(Storage.at(shared / "results/tiny"))
    attempts = [ledger.folder(training_id).read_json("attempt.json") for training_id in ledger.training_ids()]
    assert [attempt["attempt"] for attempt in attempts] == [1] * 6
    assert len({attempt["node"] for attempt in attempts}) == 3
