"""A local Ray that starts beside a driver's planning: used, abandoned, left behind, refused."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from rac_ray.sweep import head
from rac_ray.sweep.head import Head

USED = """
import psutil, ray
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_ahead, ray_runs
with ray_ahead(Resources(num_cpus=1), "name") as ray_up:
    assert not ray_runs()
    with ray_up(), ray_up():
        print(ray.cluster_resources()["CPU"], len(ray.nodes()), ray.get(ray.remote(lambda: 7).remote()))
    assert not ray_runs()
print(len(psutil.Process().children()))
"""
KILLED = """
import os, signal, psutil, ray
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_ahead
with ray_ahead(Resources(num_cpus=1), "name") as ray_up, ray_up():
    print(*(each.pid for each in psutil.Process().children(recursive=True)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
WAITS = """
import time
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_session
with ray_session(Resources(num_cpus=1)):
    print("up", flush=True)
    time.sleep(120)
"""
LIMIT = 60.0


def printed(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    return done.stdout or done.stderr


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT
    while not holds() and time.monotonic() < end:
        time.sleep(0.1)
    return holds()


def descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended, and that nobody has asked about, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_session_has_the_ray_that_was_begun_ahead() -> None:
    assert printed(USED) == "1.0 1 7\n0\n"


def test_nothing_outlives_a_driver_that_is_killed() -> None:
    pids = [int(pid) for pid in printed(KILLED).split()]
    assert len(pids) > 3
    assert soon(lambda: not any(map(lives, pids)))


@pytest.mark.parametrize("process", head.VITAL)
def test_a_driver_whose_ray_has_died_says_so_and_ends_as_unfinished(process: str) -> None:
    """Ray would end it with 1, which means that trials have failed, some seconds later."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout
        assert driver.stdout.readline() == "up\n"
        below = psutil.Process(driver.pid).children(recursive=True)
        (doomed,) = [each for each in below if each.name() == process]
        doomed.kill()
        _, said = driver.communicate(timeout=LIMIT)
    assert driver.returncode == 3
    assert f"error: Ray's process {process} on this machine has died" in said
    assert "the same command goes on from here" in said
    assert soon(lambda: not any(lives(each.pid) for each in below))


@pytest.mark.parametrize("later", [0.0, 0.05, 0.2, 0.5])
def test_a_start_that_is_abandoned_leaves_no_process_and_takes_no_time(later: float) -> None:
    others = descendants()  # of other tests in this process, as Python's resource tracker
    started = Head({"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100_000_000})
    assert soon(lambda: any("gcs_server" in each.name() for each in descendants() - others))
    time.sleep(later)
    below = [each.pid for each in descendants() - others]
    began = time.monotonic()
    started.abandon()
    assert time.monotonic() - began < 2
    assert soon(lambda: not any(map(lives, below)))


def test_what_ray_says_of_its_start_reaches_the_driver() -> None:
    refused = Head({"no_such_option": 1})
    with pytest.raises(RuntimeError, match=r"Ray did not start: .*no_such_option"):
        refused.address()
    refused.end()


def test_the_script_needs_nothing_of_the_package() -> None:
    text = Path(head.__file__).read_text()
    assert "rac_ray" not in json.dumps([line for line in text.splitlines() if "import" in line])
