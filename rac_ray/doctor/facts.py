"""Facts about a machine that decide whether a sweep runs on it: plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Package:
    """An installed package, or one that is missing."""

    version: str | None
    """None: it is not installed."""
    wanted: str
    """Versions that rac_ray works with, as in ``<2.61,>=2.60``; empty: any."""
    fits: bool
    """Whether it is installed in one of them."""


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU, as its driver describes it."""

    name: str
    memory_bytes: int
    free_bytes: int
    driver: str
    """Version of the driver, as in ``570.86.15``."""
    compute_mode: str
    """``Default``, ``Exclusive_Process`` or ``Prohibited``."""


@dataclass(frozen=True)
class Folder:
    """A place for files."""

    what: str
    """``storage``, ``data`` or ``temporary files``."""
    path: str
    """A local path or a URI."""
    free_bytes: int | None
    """None: nobody can tell (a bucket), or the folder cannot be reached."""
    share_free: float | None
    """The same as a share of its disk, 0 to 1."""
    problem: str = ""
    """Why it cannot be written, in the system's words; empty: it can."""


Port = Literal["free", "taken"]


@dataclass(frozen=True)
class Facts:
    """All that is looked at."""

    python: Package
    platform: str
    linux: bool
    encoding: str
    """Encoding of what is printed."""
    packages: Mapping[str, Package]
    """What rac_ray needs, by name; empty: rac_ray itself is not installed."""
    extras: Mapping[str, Sequence[str]]
    """Packages that each optional extra lacks, by its name."""
    torch_cuda: str | None
    """CUDA version of the torch build, as in ``13.0``; None: a build for CPUs."""
    driver_cuda: int | None
    """Newest major version of CUDA that the driver knows; None: there is no driver."""
    gpus: Sequence[Gpu]
    gpu_problem: str
    """What ``nvidia-smi`` said instead of listing GPUs; empty: it listed them, or there is none."""
    numba_off: bool
    """Whether ``NUMBA_DISABLE_JIT`` turns the compiler off."""
    numba_cache: str
    """Folder for compiled functions."""
    numba_cache_problem: str
    """Why it cannot be written; empty: it can."""
    cores: int
    """CPU cores that this process may use."""
    machine_cores: int
    load: float
    """Processes that ran or waited, averaged over the last minute."""
    memory_bytes: int
    available_bytes: int
    """Memory that a new process can have, the container's limit included."""
    memory_limit_bytes: int | None
    """The container's or control group's limit; None: it has none."""
    store_bytes: int
    """Object store that a local Ray would ask for."""
    shared_memory_bytes: int | None
    """Free in ``/dev/shm``; None: there is none."""
    folders: Sequence[Folder]
    ray_temporary: str
    """Folder that holds Ray's logs and sockets."""
    open_files: int
    """Most open files of a process, to which Ray raises its own limit."""
    ports: Mapping[int, Port]
    loopback_problem: str
    """Why no port of 127.0.0.1 can be opened; empty: one can."""
    address: str | None
    """``$RAY_ADDRESS``."""
    address_problem: str
    """Why nothing answers there; empty: something does, or no address is set."""
    year: int
    """What the clock says."""
