import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import ray

from rac_ray.sweep import session
from rac_ray.sweep.session import count_resources_here
from tests.signals import as_a_shell_starts_it

SCRIPT = """
import ray
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_session
with ray_session(Resources(num_cpus=1)):
    print(ray.cluster_resources()["CPU"], len(ray.nodes()))
"""


CORES = "from rac_ray.sweep.session import cores_here; print(cores_here())"


def cores_of(*before: str) -> int:
    """What a process counts that these words of a command start."""
    done = subprocess.run([*before, sys.executable, "-c", CORES], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_only_cores_that_may_be_used_are_counted() -> None:
    mine = sorted(os.sched_getaffinity(0))
    assert cores_of() == len(mine)
    assert cores_of("taskset", "--cpu-list", str(mine[0])) == 1


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group in which half a core's time may be used."""
    first = next(folder for folder in (session.CONTROL_GROUPS / "cpu", session.CONTROL_GROUPS) if folder.exists())
    folder = first / f"rac_ray-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    quota, value = next(
        ((folder / name, value) for name, value in (("cpu.max", "50000 100000"), ("cpu.cfs_quota_us", "50000"))
         if (folder / name).exists()),
        (None, ""),
    )  # fmt: skip
    try:
        if quota is None:
            pytest.skip("control groups limit no CPU time here")
        quota.write_text(value)
        yield folder
    finally:
        folder.rmdir()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core alone")
@pytest.mark.parametrize("below", ["", "inner"])
def test_a_control_groups_quota_counts_from_below_it_too(group: Path, below: str) -> None:
    inner = group / below
    inner.mkdir(exist_ok=True)
    try:
        assert cores_of("sh", "-c", f'echo $$ > {inner}/cgroup.procs; exec "$@"', "sh") == 1
    finally:
        if below:
            inner.rmdir()
    assert cores_of() == len(os.sched_getaffinity(0))


def test_a_local_ray_ignores_the_note_of_a_cluster_that_is_gone() -> None:
    """``ray start`` leaves its address on disk; a crash, or a power cut, leaves it there for ever."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # short: Ray puts sockets below
        note = Path(folder) / "ray/ray_current_cluster"
        note.parent.mkdir()
        note.write_text("127.0.0.1:1")
        here = {**os.environ, "RAY_TMPDIR": folder}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=here, capture_output=True, text=True, timeout=120)
        assert done.stdout == "1.0 1\n", done.stderr


WAITS = """
import time
from rac_ray.cli.exits import run_command
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_session

def command():
    with ray_session(Resources(num_cpus=1)):
        print("up", flush=True)
        time.sleep(120)
    return 0

run_command(command)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_driver_that_is_told_to_stop_leaves_ray_in_order(number: signal.Signals) -> None:
    """Ray's core takes SIGTERM for a crash of the process that it is in."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(as_a_shell_starts_it, signal.default_int_handler),
    ) as driver:
        assert driver.stdout
        assert driver.stdout.readline() == "up\n"
        below = psutil.Process(driver.pid).children(recursive=True)
        assert "raylet" in {each.name() for each in below}
        driver.send_signal(number)
        _, said = driver.communicate(timeout=60)
    assert (driver.returncode, said) == (130, "interrupted; the same command goes on from here\n")
    gone, alive = psutil.wait_procs(below, timeout=30)
    assert (len(gone), alive) == (len(below), [])


@pytest.mark.parametrize(("first", "mode"), [("import ray", "disabled"), ("", "token")])
def test_a_local_ray_answers_who_started_it(first: str, mode: str) -> None:
    """Without these tests' own setting: a process that has imported Ray before gives no token."""
    code = f"""
{first}
import os
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_session
with ray_session(Resources(num_cpus=1)):
    import ray
    print(ray.cluster_resources()["CPU"], os.environ.get("RAY_AUTH_MODE"))
"""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"1.0 {mode}\n"), done.stderr


LISTENING = """
{first}
import ipaddress, json, psutil
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_session
def loopback(host):
    address = ipaddress.ip_address(host)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
with ray_session(Resources(num_cpus=1, dashboard={dashboard})):
    import ray
    assert ray.get(ray.remote(lambda: 7).remote()) == 7, "a worker is there"
    own = [psutil.Process(), *psutil.Process().children(recursive=True)]
    heard = [(each.name(), at.laddr.ip) for each in own for at in each.net_connections("inet") if at.status == "LISTEN"]
print(json.dumps([sorted({{name for name, _ in heard}}), [each for each in heard if not loopback(each[1])]]))
"""


@pytest.mark.parametrize(("first", "dashboard"), [("import ray", False), ("", True)])
def test_a_local_ray_listens_on_the_loopback_alone(first: str, dashboard: bool) -> None:
    """Whoever reaches one of its ports runs code, where it asks for no token."""
    code = LISTENING.format(first=first, dashboard=dashboard)
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    names, elsewhere = json.loads(done.stdout.splitlines()[-1])
    assert {"gcs_server", "raylet"} < set(names)
    assert elsewhere == []


def test_what_is_free_is_counted_from_now_on(local_ray: None) -> None:
    """By an actor of Ray's on this node; the slow test of a lost node is in tests/studies/diving48/test_nodes.py."""
    name = {"name": "AutoscalingCoordinator", "namespace": "AutoscalingCoordinator"}
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor(**name)
    count_resources_here()
    assert ray.get_actor(**name)


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit and the use of version 2 of control groups, of version 1, and the word for no limit."""
    paths = [(str(tmp_path / f"{n}-limit"), str(tmp_path / f"{n}-used")) for n in (2, 1)]
    monkeypatch.setattr(session, "MEMORY_FILES", tuple(paths))
    free = session.available_here()
    assert session.memory_limit_here() is None

    def say(version: int, limit: str, used: str) -> None:
        (tmp_path / f"{version}-limit").write_text(f"{limit}\n")
        (tmp_path / f"{version}-used").write_text(f"{used}\n")

    say(1, "800000000", "300000000")
    assert session.memory_limit_here() == (800_000_000, 300_000_000)
    assert session.available_here() == 500_000_000
    assert session.object_store_here() == 2_000_000_000, "Ray takes no less"
    say(2, "max", "5")
    assert session.memory_limit_here() == (800_000_000, 300_000_000)
    say(2, "400000000", "500000000")
    assert session.available_here() == 0
    say(2, "max", "5")
    say(1, "9223372036854771712", "5")
    assert session.memory_limit_here() is None
    assert session.available_here() == pytest.approx(free, rel=0.5)


@pytest.mark.parametrize("session", ["ray_session(Resources(num_cpus=1))", "ray_ahead(Resources(num_cpus=1), 'name')"])
def test_a_folder_too_long_for_rays_sockets_is_one_sentence(session: str) -> None:
    code = f"""
from rac_ray.cli.exits import run_command
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_ahead, ray_session
def command():
    with {session}:
        return 0
run_command(command)
"""
    environment = {**os.environ, "RAY_TMPDIR": "/tmp/" + 40 * "x"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    said = f"Ray's folder '/tmp/{40 * 'x'}/ray' has 49 characters, which is too long for a socket; valid: up to 43, as "
    assert (done.returncode, done.stderr) == (2, f"error: {said}RAY_TMPDIR=/tmp gives\n")
