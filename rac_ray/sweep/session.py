"""What a sweep runs on, and Ray for the time that it does."""

import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from rac_ray.errors import UNFINISHED, BadInput
from rac_ray.sweep.feeds import Room
from rac_ray.sweep.head import Head
from rac_ray.sweep.monitor import say_line
from rac_ray.sweep.packing import Machine
from rac_ray.sweep.resources import Resources

STORE_BYTES = (2_000_000_000, 8_000_000_000)
"""Least and most of a local object store; between them a share of the free memory."""
STORE_SHARE = 0.3
MEMORY_FILES = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""A container's limit and use of memory: of control groups of version 2, and of version 1."""
CONTROL_GROUPS = Path("/sys/fs/cgroup")
QUOTA_FILES = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""Microseconds of CPU time in each period, and the period's: of version 2, and of version 1."""
LONGEST_RAY_FOLDER = 43
"""Characters: a socket's path has at most 107, of which ``/session_DATE_TIME_PID/sockets/plasma_store`` takes 64."""
WORKER_ENVIRONMENT = {
    # glibc gives large blocks back to the kernel at each free; the page faults cost as much as the arithmetic.
    # Trials run in a thread, whose own arena would ignore the thresholds: one arena for all.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
}
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Failures are told by the monitor; Tune's experiment file is never read.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
}
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a process unless it has handlers of its own."""
TRACKED = {"RAY_TRAIN_ENABLE_STATE_TRACKING": "1"}
"""Where somebody may look: worker groups tell Ray of their state, and the dashboard's server lists them."""


def cores_here() -> int:
    """CPU cores that this process may use: fewer than the machine has under an affinity mask or a cgroup's quota."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([mine, *(math.ceil(quota) for folder in _cpu_groups() if (quota := _quota(folder)))]))


def _cpu_groups() -> Iterator[Path]:
    """Folders of this process's control groups that can limit CPU time, and of all groups above them.

    Inside of a container they can have other paths than the kernel says; then the topmost is the container's.
    """
    try:
        groups = [line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return
    for controllers, path in groups:
        if not controllers or "cpu" in controllers.split(","):
            below = PurePosixPath(path.lstrip("/"))
            yield from (CONTROL_GROUPS / controllers / each for each in (below, *below.parents))


def _quota(group: Path) -> float:
    """Cores whose time a control group may use, of version 2 or 1; 0 where it does not say or limits nothing."""
    for files in QUOTA_FILES:
        with suppress(OSError, ValueError):  # no such file, or "max"
            quota, period = (int(word) for name in files for word in (group / name).read_text().split())
            return max(0.0, quota / period)
    return 0.0


def memory_limit_here() -> tuple[int, int] | None:
    """Bytes that this container may use, and those that it uses; None without a limit below the machine's memory."""
    for limit, used in MEMORY_FILES:
        try:
            most = int(Path(limit).read_text())
            if most < psutil.virtual_memory().total:
                return most, int(Path(used).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def available_here() -> int:
    """Bytes of memory that a new process can have, with the limit of a container."""
    free, limit = psutil.virtual_memory().available, memory_limit_here()
    return min(free, max(0, limit[0] - limit[1])) if limit else free


def object_store_here() -> int:
    """Bytes of the object store of a local Ray; it takes memory as it is filled."""
    least, most = STORE_BYTES
    return min(most, max(least, int(STORE_SHARE * available_here())))


def ray_folder() -> str:
    """Where a local Ray keeps its logs and sockets."""
    return str(Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray"))


@contextmanager
def ray_session(resources: Resources, name: str = "rac_ray") -> Iterator[None]:
    """A local Ray for the duration, or a connection to the cluster at ``address``; ``name`` is for its jobs page."""
    for_workers = _for_workers(resources)
    os.environ.update({**for_workers, **RAY_ENVIRONMENT, **os.environ})
    if ray_runs():
        yield
        return
    if resources.address:
        options = {"address": resources.address, "runtime_env": {"env_vars": for_workers}}
        with _connected(resources, name, options):
            yield
    else:
        with ray_ahead(resources, name) as ray_up, ray_up():
            yield


def _authentication() -> dict[str, str]:
    """What has a local Ray ask for a token. A process that has imported Ray before would never give one: Ray looks
    once whether it is to, and the Ray that is started would ask wherever it finds a token of before."""
    return {"RAY_AUTH_MODE": "disabled" if "ray" in sys.modules else "token"}


def _for_workers(resources: Resources) -> dict[str, str]:
    """Environment variables of the processes that train."""
    return {**WORKER_ENVIRONMENT, **(TRACKED if resources.watched else {})}


def _local(resources: Resources) -> dict[str, Any]:
    """What a local Ray has. Raises BadInput where its sockets would have no place."""
    if len(folder := ray_folder()) > LONGEST_RAY_FOLDER:
        raise BadInput(
            f"Ray's folder {folder!r} has {len(folder)} characters, which is too long for a socket; valid: up to "
            f"{LONGEST_RAY_FOLDER}, as RAY_TMPDIR=/tmp gives"
        )
    return {
        "num_cpus": resources.num_cpus or cores_here(),
        "num_gpus": resources.num_gpus,
        "object_store_memory": object_store_here(),
        "include_dashboard": resources.dashboard,
    }


@contextmanager
def _connected(resources: Resources, name: str, options: Mapping[str, Any]) -> Iterator[None]:
    import ray
    from ray.job_config import JobConfig

    job = JobConfig(metadata={"job_name": name})
    try:
        try:
            with own_signals():
                context = ray.init(log_to_driver=False, logging_level=logging.ERROR, job_config=job, **options)
        except (ConnectionError, ValueError) as error:
            raise BadInput(f"no Ray cluster at {resources.address!r}: {error}") from error
        if resources.dashboard and context.dashboard_url:
            say_line(f"dashboard: http://{context.dashboard_url}")
        yield
    finally:
        ray.shutdown()


@contextmanager
def own_signals() -> Iterator[None]:
    """Keep this process's handlers of signals that end it, whatever Ray makes of them.

    Ray's core takes SIGTERM for a crash (2.60): it writes a stack and aborts. What arrives in the meantime waits.
    Nothing may start a process in here: it would be deaf to these signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers are the main thread's
        return
    mine = {number: signal.getsignal(number) for number in ENDING}
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        for number, handler in mine.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def ray_runs() -> bool:
    """Whether this process has a Ray already; loads none to know it."""
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


@contextmanager
def ray_ahead(resources: Resources, name: str) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """A local Ray that starts while the caller plans; what is yielded makes the session, and waits for it.

    Without a session a Ray that is still starting is killed. A cluster is not connected to before the session.
    """
    if resources.address or ray_runs():
        yield lambda: ray_session(resources, name)
        return
    os.environ.update({**_for_workers(resources), **RAY_ENVIRONMENT, **_authentication(), **os.environ})
    head = Head(_local(resources))
    end = head.abandon

    @contextmanager
    def session() -> Iterator[None]:
        nonlocal end
        if ray_runs():
            yield
            return
        with _connected(resources, name, {"address": head.address()}):
            end = head.end
            head.watch(_without_ray)
            yield

    try:
        yield session
    finally:
        end()


def _without_ray(process: str) -> None:
    """End this process, which Ray would end with code 1 and without a word as soon as it is asked for anything."""
    print(
        f"\nerror: Ray's process {process} on this machine has died (killed, or memory ran out), and no trial can go "
        "on without it; nothing that is finished is lost, the same command goes on from here",
        file=sys.stderr,
        flush=True,
    )
    os._exit(UNFINISHED)


def count_resources_here() -> None:
    """Have Ray count what is free for elastic groups on this node, which is there as long as the sweep is.

    It counts in an actor on the node that first reads with Ray Data. A group whose count was lost with a node would
    wait for its resources for ever (Ray 2.60).
    """
    import ray.data

    from rac_ray.data.reading import quiet_and_ordered

    quiet_and_ordered()
    ray.data.range(1).materialize()


def machine_of(resources: Resources) -> Machine:
    """What the running Ray has, or will have."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Machine.of(nodes, resources.num_cpus, resources.num_gpus)


def room_on(machine: Machine) -> Room:
    """What clips may fill of each node, as far as this one tells of the others."""
    return Room(machine.store, psutil.virtual_memory().available, machine.gpu_memory or math.inf)
