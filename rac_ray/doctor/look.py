"""What a machine is like, looked up in about a second; starts neither Ray nor torch."""

import errno
import locale
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from ctypes import CDLL, byref, c_int
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from rac_ray.doctor.facts import Facts, Folder, Gpu, Package, Port
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.sweep.session import available_here, cores_here, memory_limit_here, object_store_here, ray_folder

PORTS = (8265, 6379)
"""Of Ray's dashboard, and of a cluster's head."""
ANSWER_SECONDS = 0.5
DRIVER_SECONDS = 5.0
"""Longest wait for an address and for ``nvidia-smi``, which hangs beside a broken driver."""
QUERY = "name,memory.total,memory.free,driver_version,compute_mode"
MEBIBYTE = 1 << 20
CLUSTER_FILE = "ray_current_cluster"
"""Where `ray start` leaves its address."""


def look(storage: str, data: str) -> Facts:
    """The facts; ``storage`` and ``data`` are folders or URIs, of which nothing is left changed."""
    memory, limit = psutil.virtual_memory(), memory_limit_here()
    gpus, gpu_problem = gpus_here()
    temporary = ray_folder()
    cache = numba_folder()
    address = os.environ.get("RAY_ADDRESS") or None
    return Facts(
        python=python_here(),
        platform=platform.platform(terse=True),
        linux=sys.platform == "linux",
        encoding=sys.stdout.encoding or locale.getencoding(),
        packages=packages_needed(requirements()),
        extras=extras_lacking(requirements()),
        torch_cuda=torch_cuda(),
        driver_cuda=driver_cuda(),
        gpus=gpus,
        gpu_problem=gpu_problem,
        numba_off=os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"),
        numba_cache=cache,
        numba_cache_problem=folder_at("compiler", cache).problem,
        cores=cores_here(),
        machine_cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        memory_bytes=memory.total,
        available_bytes=available_here(),
        memory_limit_bytes=limit[0] if limit else None,
        store_bytes=object_store_here(),
        shared_memory_bytes=shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else None,
        folders=[
            folder_at("storage", storage),
            folder_at("data", data),
            folder_at("temporary files", temporary),
        ],
        ray_temporary=temporary,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        ports={port: port_state(port) for port in PORTS},
        loopback_problem=loopback_problem(),
        address=address,
        address_problem=address_problem(address, temporary) if address else "",
        year=time.gmtime().tm_year,
    )


def python_here() -> Package:
    """The interpreter, and the versions that rac_ray is for."""
    here = platform.python_version()
    try:
        wanted = metadata("rac-ray")["Requires-Python"]
    except PackageNotFoundError:
        wanted = ""
    return Package(here, wanted, SpecifierSet(wanted).contains(here, prereleases=True))


def requirements() -> Sequence[Requirement]:
    """What the installed rac_ray says that it needs, extras included; nothing when it is not installed."""
    try:
        return [Requirement(text) for text in requires("rac-ray") or ()]
    except PackageNotFoundError:
        return []


def packages_needed(needed: Sequence[Requirement]) -> dict[str, Package]:
    """Packages without which nothing runs."""
    return {each.name: _package(each) for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})}


def extras_lacking(needed: Sequence[Requirement]) -> dict[str, list[str]]:
    """Packages that are missing of each optional extra but ``dev``; an extra that names others has theirs, too."""
    markers = [str(each.marker or "") for each in needed]
    names = dict.fromkeys(name for marker in markers for name in re.findall(r'extra == "([^"]+)"', marker))
    of = {name: [each for each in needed if _of_extra(each, name)] for name in names if name != "dev"}

    def lacking(name: str) -> list[str]:
        found: list[str] = []
        for each in of.get(name, ()):
            if each.name == "rac-ray":
                found += [package for extra in sorted(each.extras) for package in lacking(extra)]
            elif not _package(each).fits:
                found.append(each.name)
        return found

    return {name: lacking(name) for name in of}


def _of_extra(needed: Requirement, extra: str) -> bool:
    marker = needed.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _package(needed: Requirement) -> Package:
    try:
        there = version(needed.name)
    except PackageNotFoundError:
        return Package(None, str(needed.specifier), False)
    return Package(there, str(needed.specifier), needed.specifier.contains(there, prereleases=True))


def torch_cuda() -> str | None:
    """The CUDA version that torch was built for, read from its files; importing torch takes longer than all else."""
    spec = find_spec("torch")
    places = spec.submodule_search_locations if spec else None
    path = Path(places[0], "version.py") if places else None
    found = re.search(r"^cuda\b[^=]*= *'([\d.]+)'", path.read_text(), re.MULTILINE) if path and path.exists() else None
    return found[1] if found else None


def driver_cuda() -> int | None:
    """The newest major version of CUDA that the installed driver knows."""
    try:
        driver = CDLL("libcuda.so.1")
    except OSError:
        return None
    found = c_int(0)
    return found.value // 1000 if driver.cuDriverGetVersion(byref(found)) == 0 else None


def gpus_here() -> tuple[list[Gpu], str]:
    """The NVIDIA GPUs, and what is wrong with their driver; neither where there is no ``nvidia-smi``."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=False)
    except FileNotFoundError:
        return [], ""
    except subprocess.TimeoutExpired:
        return [], f"nvidia-smi does not answer within {DRIVER_SECONDS:.0f} s"
    if done.returncode:
        return [], " ".join((done.stdout or done.stderr).split())
    return gpus_of(done.stdout), ""


def gpus_of(table: str) -> list[Gpu]:
    """The GPUs in what ``nvidia-smi`` prints for ``QUERY``; memory that it does not tell counts as 0 of 1 byte used."""
    found = []
    for line in table.splitlines():
        name, total, free, driver, mode = (word.strip() for word in line.rsplit(",", 4))
        size = int(total) * MEBIBYTE if total.isdigit() else 1
        found.append(Gpu(name, size, int(free) * MEBIBYTE if free.isdigit() else size, driver, mode))
    return found


def numba_folder() -> str:
    """Where the models' compiled functions are kept (``models.compiled``)."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return os.environ.get("NUMBA_CACHE_DIR") or str(Path(caches, "rac_ray"))


def folder_at(what: str, location: str) -> Folder:
    """A folder or URI, and whether it can be written; what does not exist yet is judged by the folder above."""
    try:
        storage = Storage.at(location)
        if not storage.is_local:
            return Folder(what, storage.root, None, None)
        storage.require_room(0)
    except BadInput as error:
        reason = str(error).partition("cannot be written: ")[2] or str(error)
        return Folder(what, location, None, None, reason)
    usage = shutil.disk_usage(_standing(Path(storage.root)))
    return Folder(what, storage.root, usage.free, usage.free / usage.total)


def _standing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def port_state(port: int) -> Port:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return "taken" if error.errno == errno.EADDRINUSE else "free"
    return "free"


def loopback_problem() -> str:
    """Why no port of 127.0.0.1 can be opened; empty when one can."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def address_problem(address: str, ray_temporary: str) -> str:
    """Why nothing answers at a value of ``$RAY_ADDRESS``; empty when something does, or it is Ray's own to start."""
    if address == "local":
        return ""
    note = Path(ray_temporary, CLUSTER_FILE)
    place = address
    if address == "auto":
        if not note.exists():
            return "no `ray start` runs on this machine"
        place = note.read_text().strip()
    if "://" in place:
        return "that is a URL; runs take auto or host:port, and --submit takes a URL"
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        return "that is not host:port"
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        return f"nothing answers at {place} ({error.strerror or error})"
    return ""
