"""``cluster/onprem.yaml`` on machines made on the spot, with the commands of docs/clusters.md: up, sweep, pull, down.

A real ``ray up`` over real SSH.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rac_ray.results import load
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from tests.cluster.hosts import Host, cannot, hosts
from tests.docs.pages import COMMANDS

BIN = Path(sys.executable).parent
GRID = "--preset demo --models timesformer1,timesformer8 --hidden-units 2,4 --seeds 42,61 --max-epochs 2"
NODES = "import ray; ray.init(log_to_driver=False); print('nodes:', sum(node['Alive'] for node in ray.nodes()))"
TARGETS = "http://127.0.0.1:9090/api/v1/targets"
UP_SECONDS = 180
DOWN_SECONDS = 150
"""Workers go by themselves, a minute after they have lost the head."""


@dataclass(frozen=True)
class Laptop:
    """Who starts the cluster: a home with a key and a token, and the edited cluster file."""

    home: Path
    shared: Path
    config: Path
    project: Path
    hosts: list[Host]

    @property
    def environment(self) -> dict[str, str]:
        path = f"{BIN}:{os.environ['PATH']}"
        settings = {"RAY_AUTH_MODE": "token", "RAY_UP_enable_autoscaler_v2": "0", "RAY_USAGE_STATS_ENABLED": "0"}
        return {"HOME": str(self.home), "PATH": path, "RAC_RAY_STORAGE": str(self.shared), **settings}

    def ask(self, told: str, *more: str, fine: tuple[int, ...] = (0, 3)) -> str:
        """What one of that page's commands prints, with this cluster's file and a small grid."""
        options: dict[str, Any] = {"cwd": self.project, "env": self.environment, "capture_output": True, "text": True}
        done = subprocess.run(self.here(told, *more), shell=True, timeout=600, check=False, **options)
        assert done.returncode in fine, done.stdout + done.stderr
        return done.stdout

    def do(self, told: str, *more: str) -> str:
        """The same of a command that has to succeed."""
        return self.ask(told, *more, fine=(0,))

    def here(self, told: str, *more: str) -> str:
        command = told.replace("cluster/a100.yaml", str(self.config))
        grid = GRID.replace(" --seeds 42,61", "") if any("--seeds" in each for each in more) else GRID
        return " ".join((re.sub(r"sweeps/ts_grid\.py( (plan|run|status|results))?", rf"\g<0> {grid}", command), *more))

    @contextmanager
    def dashboard(self, told: str) -> Iterator[str]:
        """The URL under which the page's command forwards the head's."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = shlex.split(self.here(told, "--port", str(port)))
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        forwarding = subprocess.Popen(command, cwd=self.project, env=self.environment, **quiet)
        try:
            deadline = time.monotonic() + 60
            while not _answers(port):
                assert forwarding.poll() is None, "ray dashboard has ended"
                assert time.monotonic() < deadline, "nothing is forwarded"
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(forwarding.pid, signal.SIGINT)  # as Ctrl-C does: its SSH goes with it
            forwarding.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def edited(repository: Path, shared: Path, key: Path, machines: list[Host]) -> dict[str, Any]:
    """The cluster file with what its first lines tell to edit, this environment instead of an installation, and small.

    Each machine says that it has one CPU, and an object store that holds all clips: else tasks would read them, which
    take a CPU beside each trial, and of three CPUs only one trial would run at a time.
    """
    config = yaml.safe_load((repository / "cluster/onprem.yaml").read_text())
    head, *workers = machines
    config["provider"] |= {"head_ip": head.address, "worker_ips": [worker.address for worker in workers]}
    config["auth"] = {"ssh_user": "root", "ssh_private_key": str(key)}
    config["min_workers"] = config["max_workers"] = len(workers)
    *installation, environment = config["setup_commands"]
    assert [("venv" in line, "pip install" in line) for line in installation] == [
        (True, False), (False, True), (False, True),
    ]  # fmt: skip
    config["setup_commands"] = [f"ln -sfn {sys.prefix} ~/rac_ray_env", environment]
    *others, exports = config["head_setup_commands"]
    assert "RAC_RAY_STORAGE=/shared/rac_ray" in exports
    config["head_setup_commands"] = [*others, exports.replace("/shared/rac_ray", str(shared))]
    for role in ("head", "worker"):
        started = config[f"{role}_start_ray_commands"]
        small = "ray start --num-cpus=1 --object-store-memory=800000000 --disable-usage-stats"
        config[f"{role}_start_ray_commands"] = [command.replace("ray start", small) for command in started]
    return config


@pytest.fixture
def laptop(repository: Path, tmp_path: Path) -> Iterator[Laptop]:
    if reason := cannot():
        pytest.skip(reason)
    home, shared = tmp_path / "home", tmp_path / "shared"
    (home / ".ssh").mkdir(parents=True)
    shared.mkdir()
    key = home / ".ssh/id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with hosts(3, tmp_path / "hosts", shared, key.with_suffix(".pub")) as machines:
        config = tmp_path / "onprem.yaml"
        config.write_text(yaml.safe_dump(edited(repository, shared, key, machines)))
        yield Laptop(home, shared, config, repository, machines)


@pytest.mark.slow
def test_up_sweep_pull_down(laptop: Laptop, tmp_path: Path) -> None:
    first = COMMANDS.index("export RAC_RAY_STORAGE=s3://my-bucket/rac_ray RAY_AUTH_MODE=token")
    token, up, plan, run, dashboard, submit, status, pull, down = COMMANDS[first + 1 : first + 10]
    laptop.do(token)
    laptop.do(up)
    count = "ray exec cluster/a100.yaml " + shlex.quote(f'python -c "{NODES}"')
    deadline = time.monotonic() + UP_SECONDS
    while "nodes: 3" not in (said := laptop.do(count)) and time.monotonic() < deadline:
        time.sleep(2)
    assert "nodes: 3" in said

    asked = "python -c " + shlex.quote(f"import urllib.request as u; print(u.urlopen('{TARGETS}').read().decode())")
    targets = "ray exec cluster/a100.yaml " + shlex.quote(asked)
    while (said := laptop.do(targets)).count('"health":"up"') < 3 and time.monotonic() < deadline:
        time.sleep(2)
    assert said.count('"health":"up"') >= 3, said

    assert "8 trials planned = 0 done" in laptop.do(plan)
    assert "8 trials planned = 8 done" in laptop.do(run)
    entries = Ledger(Storage.at(laptop.shared / "results/ts_grid")).scan().values()
    assert len({entry.record.host for entry in entries if entry.record}) >= 2, "one machine did all the work"

    with pytest.raises(OSError, match="refused"):
        socket.create_connection((laptop.hosts[0].address, 8265), timeout=5)
    with laptop.dashboard(dashboard) as url:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}/api/version", timeout=10)
        more = "--seeds 42,61,71"
        assert "submitted ts_grid-" in laptop.do(submit.replace("http://127.0.0.1:8265", url), more)
        while "PENDING" in (said := laptop.ask(status, more)) or "RUNNING" in said:
            time.sleep(1)
        assert "12 trials planned = 12 done" in said
        assert "SUCCEEDED" in said

    assert laptop.do(pull.replace("./local", str(tmp_path / "local"))).count("Trained on 2Dot") == 1
    assert load(str(laptop.shared / "results/ts_grid")).trials["state"].tolist() == ["done"] * 12
    assert load(str(tmp_path / "local/tables")).trials["state"].tolist() == ["done"] * 8

    laptop.do(down)
    deadline = time.monotonic() + DOWN_SECONDS
    while any(host.processes() for host in laptop.hosts) and time.monotonic() < deadline:
        time.sleep(1)
    assert [host.processes() for host in laptop.hosts] == [[], [], []]
