"""``cluster/slurm.sh`` under a real Slurm, on machines made on the spot: a job of two nodes that is put back."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from tests.cluster.files import CLUSTER, PROJECT
from tests.cluster.hosts import Host, cannot, hosts
from tests.docs.pages import COMMANDS

BIN = Path(sys.executable).parent
SCRIPT = CLUSTER / "slurm.sh"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
CONFIG = """
ClusterName=racray
SlurmctldHost={head.name}({head.address})
AuthInfo=socket=/run/munge.socket
SlurmUser=root
StateSaveLocation={shared}/state
SlurmctldLogFile={shared}/slurmctld.log
SlurmctldPidFile=/run/slurmctld.pid
SlurmdLogFile={shared}/slurmd-%n.log
SlurmdPidFile=/run/slurmd.pid
SlurmdSpoolDir=/run/slurmd
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
MpiDefault=none
ReturnToService=2
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
DAEMON = "mkdir -p /run/slurmd && mount --bind {shared}/hosts /etc/hosts && munged --force {munge}"
MUNGE = (
    "--key-file={shared}/munge.key --socket=/run/munge.socket --pid-file=/run/munge.pid --log-file=/run/munge.log "
    "--seed-file=/run/munge.seed"
)
TOLD = "sbatch --nodes=2 --gpus-per-node=8 --time=12:00:00 cluster/slurm.sh sweeps/ts_grid.py"
"""The command of docs/clusters.md."""
GRID = "--preset demo --models timesformer1 --hidden-units 2,4 --seeds 42,61 --max-epochs 2"
LACKING = [program for program in PROGRAMS if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None]


@dataclass(frozen=True)
class Site:
    """Two nodes of one CPU under Slurm; commands are given on the first one."""

    nodes: list[Host]
    shared: Path
    key: Path

    def on(self, node: Host, command: str) -> str:
        options = f"-i {self.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        settings = {"SLURM_CONF": f"{self.shared}/slurm.conf", "PATH": f"{BIN}:{os.environ['PATH']}:/usr/sbin"}
        settings |= {"RAC_RAY_STORAGE": str(self.shared), "RAY_USAGE_STATS_ENABLED": "0", "HOME": "/root"}
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
        told = f"cd {PROJECT} && export {given} && {command}"
        ssh = ["ssh", *options.split(), f"root@{node.address}", told]
        done = subprocess.run(ssh, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, command: str) -> str:
        return self.on(self.nodes[0], command)

    def submitted(self, command: str) -> str:
        """The number of a job, whose log lies where both nodes see it; there are no GPUs."""
        log = f"sbatch --parsable --output={self.shared}/job-%j.log"
        return self.ask(command.replace("sbatch", log).replace(" --gpus-per-node=8", "")).strip()

    def state(self, job: str) -> str:
        return re.findall(r"JobState=(\w+)", self.ask(f"scontrol show job {job}"))[0]

    def log(self, job: str) -> str:
        path = self.shared / f"job-{job}.log"
        return path.read_text() if path.exists() else ""

    def wait(self, job: str, what: str, seconds: float = 240) -> None:
        """Until the job's log has some words."""
        deadline = time.monotonic() + seconds
        while what not in self.log(job):
            assert time.monotonic() < deadline, f"{self.state(job)}: {self.log(job)}"
            time.sleep(0.5)

    def ended(self, job: str) -> str:
        """Its last state."""
        deadline = time.monotonic() + 240
        while (state := self.state(job)) in ("PENDING", "RUNNING", "COMPLETING"):
            assert time.monotonic() < deadline, self.log(job)
            time.sleep(0.5)
        return state


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if reason := f"not installed: {', '.join(LACKING)}" if LACKING else cannot():
        pytest.skip(reason)
    shared, key = tmp_path / "shared", tmp_path / "id_ed25519"
    (shared / "state").mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (shared / "munge.key").write_bytes(os.urandom(1024))
    (shared / "munge.key").chmod(0o600)
    with hosts(2, tmp_path / "hosts", shared, key.with_suffix(".pub")) as nodes:
        names = [f"{node.address} {node.name}" for node in nodes]
        (shared / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
        lines = "\n".join(f"NodeName={node.name} NodeAddr={node.address} CPUs=1" for node in nodes)
        (shared / "slurm.conf").write_text(CONFIG.format(head=nodes[0], shared=shared, nodes=lines))
        (shared / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        site = Site(nodes, shared, key)
        token = "mkdir -p /root/.ray && cp {shared}/auth_token /root/.ray"
        (shared / "auth_token").write_text("0" * 64)
        for node in nodes:
            munge = MUNGE.format(shared=shared)
            site.on(node, DAEMON.format(shared=shared, munge=munge) + " && " + token.format(shared=shared))
        site.ask("slurmctld")
        for node in nodes:
            site.on(node, f"slurmd -N {node.name}")
        yield site


@pytest.mark.slow
def test_a_job_that_is_put_back_into_the_queue_goes_on(site: Site) -> None:
    assert TOLD in COMMANDS
    job = site.submitted(f"{TOLD} {GRID}")
    site.wait(job, "1/4 done")
    site.ask(f"scancel --batch --signal=USR1 {job}")
    site.wait(job, "interrupted")
    while site.state(job) != "PENDING":
        time.sleep(0.5)
    assert not [line for node in site.nodes for line in node.processes() if "raylet" in line]
    site.ask(f"scontrol update JobId={job} StartTime=now")
    assert site.ended(job) == "COMPLETED"
    assert "4 trials planned = 4 done" in site.log(job)
    entries = Ledger(Storage.at(site.shared / "results/ts_grid")).scan().values()
    assert {entry.record.host for entry in entries if entry.record} == {node.name for node in site.nodes}


def test_what_is_missing_is_one_sentence() -> None:
    bare = {"PATH": os.environ["PATH"]}
    for settings, arguments, said in (
        ({}, ["sweeps/ts_grid.py"], "RAC_RAY_STORAGE: is not set; valid: a folder that all nodes see, or a bucket"),
        ({"RAC_RAY_STORAGE": "/shared"}, [], "1: is missing; valid: the script of a sweep, as in sbatch"),
    ):
        done = subprocess.run(
            [SCRIPT, *arguments], env={**bare, **settings}, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert said in done.stderr
