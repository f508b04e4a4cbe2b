"""Facts about a machine to findings: one sentence each, and what to do. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rac_ray.counted import counted
from rac_ray.doctor.facts import Facts, Folder, Gpu
from rac_ray.sweep.session import LONGEST_RAY_FOLDER

Level = Literal["ok", "slow", "will fail"]
LEAST_MEMORY = 3_000_000_000
"""Bytes: Ray's own processes, the driver and one small trial hold about so much."""
LEAST_DISK, LITTLE_DISK = 100_000_000, 2_000_000_000
"""Bytes: below the first nothing can be written for long, below the second only small sweeps fit."""
SPILL_SHARE = 0.05
"""Ray does not spill to a disk of which less than this share is free."""
FEW_FILES, ENOUGH_FILES = 1024, 8192
TOLD_PACKAGES = ("ray", "torch")
COMPILER = "numba"
"""The one package without which a sweep only takes longer."""
LEAST_YEAR = 2026
DASHBOARD_PORT, CLUSTER_PORT = 8265, 6379


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing."""

    what: str
    level: Level
    said: str
    do: str = ""
    """What to do about it, in one sentence; empty: nothing."""

    @property
    def line(self) -> str:
        """The finding for people."""
        return f"{self.level:<9}  {self.what:<16} {self.said}" + (f". {self.do}" if self.do else "")


def findings(facts: Facts) -> list[Finding]:
    """What is found out, in the order in which it is told."""
    return [finding for check in CHECKS for finding in check(facts)]


def _python(facts: Facts) -> list[Finding]:
    said = f"{facts.python.version} on {facts.platform}"
    if not facts.python.fits:
        do = "Make an environment with such a Python."
        return [Finding("python", "will fail", f"{said}, needed is {facts.python.wanted}", do)]
    if facts.linux:
        return [Finding("python", "ok", said)]
    return [Finding("python", "slow", said, "Sweeps are tested on Linux only; use Linux, WSL 2 or a container.")]


def _packages(facts: Facts) -> list[Finding]:
    if not facts.packages:
        do = "Give `pip install -e .` in the folder that holds pyproject.toml."
        return [Finding("packages", "slow", "rac_ray is not installed, so versions cannot be compared", do)]
    wrong = {name: package for name, package in facts.packages.items() if not package.fits and name != COMPILER}
    if not wrong:
        told = ", ".join(f"{name} {facts.packages[name].version}" for name in TOLD_PACKAGES)
        return [Finding("packages", "ok", f"all {len(facts.packages)} in versions that fit, among them {told}")]
    return [
        Finding(
            "packages",
            "will fail",
            f"{name} {package.version or 'is not installed'}, needed is {package.wanted or 'any version'}",
            f"Give `pip install '{name}{package.wanted}'`.",
        )
        for name, package in wrong.items()
    ]


def _extras(facts: Facts) -> list[Finding]:
    there = [name for name, lacking in facts.extras.items() if not lacking]
    lacking = [name for name in facts.extras if name not in there]
    said = f"installed: {', '.join(there) or 'none'}; not installed: {', '.join(lacking) or 'none'}"
    do = f"If you need one: `pip install 'rac-ray[{lacking[0]}]'`." if lacking else ""
    return [Finding("extras", "ok", said, do)] if facts.extras else []


def _gpus(facts: Facts) -> list[Finding]:
    build = f"torch is built for CUDA {facts.torch_cuda}" if facts.torch_cuda else "torch is a CPU build"
    if facts.gpu_problem:
        return [Finding("GPU", "slow", f"{facts.gpu_problem}; {build}", "Repair the driver; until then a CPU trains.")]
    if not facts.gpus:
        return [Finding("GPU", "ok", f"no NVIDIA GPU; {build}; trials train on CPU cores")]
    said = f"{_counted(facts.gpus)}, driver {facts.gpus[0].driver}; {build}"
    if facts.torch_cuda is None:
        do = "Install a CUDA build of the same version from https://pytorch.org, or the GPU is not used."
        return [Finding("GPU", "slow", said, do)]
    if facts.driver_cuda is not None and facts.driver_cuda < int(facts.torch_cuda.partition(".")[0]):
        do = "Install a newer driver, or a torch build for that CUDA."
        return [Finding("GPU", "will fail", f"{said}, but the driver knows CUDA {facts.driver_cuda} only", do)]
    modes = {gpu.compute_mode for gpu in facts.gpus}
    if "Prohibited" in modes:
        do = "Give `nvidia-smi -c DEFAULT` as root."
        return [Finding("GPU", "will fail", f"{said}; no process may use a GPU", do)]
    if "Exclusive_Process" in modes:
        do = "Give `nvidia-smi -c DEFAULT` as root, or run with --trials-per-gpu 1."
        return [Finding("GPU", "will fail", f"{said}; only one process may use a GPU", do)]
    free = min(gpu.free_bytes / gpu.memory_bytes for gpu in facts.gpus)
    if free < 0.5:
        do = "Look at `nvidia-smi`: another program holds the rest."
        return [Finding("GPU", "slow", f"{said}; only {100 * free:.0f}% of the memory is free", do)]
    return [Finding("GPU", "ok", said)]


def _counted(gpus: Sequence[Gpu]) -> str:
    kinds = list(dict.fromkeys((gpu.name, gpu.memory_bytes) for gpu in gpus))
    counts = [sum((gpu.name, gpu.memory_bytes) == kind for gpu in gpus) for kind in kinds]
    told = zip(counts, kinds, strict=True)
    return ", ".join(f"{count} x {name} with {_gigabytes(memory)}" for count, (name, memory) in told)


def _compiler(facts: Facts) -> list[Finding]:
    package = facts.packages.get(COMPILER)
    if package is not None and package.version is None:
        return [Finding("compiler", "slow", "Numba is not installed", "Give `pip install numba`; CPUs train slower.")]
    if facts.numba_off:
        do = "Unset it: on CPUs loops are not compiled and take many times as long."
        return [Finding("compiler", "slow", "NUMBA_DISABLE_JIT is set", do)]
    said = f"Numba keeps what it compiles in {facts.numba_cache}"
    if facts.numba_cache_problem:
        do = "Set NUMBA_CACHE_DIR to a folder that can be written, or every trial compiles again."
        return [Finding("compiler", "slow", f"{said}, which cannot be written: {facts.numba_cache_problem}", do)]
    return [Finding("compiler", "ok", said)]


def _cores(facts: Facts) -> list[Finding]:
    said = f"{facts.cores} of {facts.machine_cores} may be used, load {facts.load:.1f}"
    if facts.load > 0.5 * facts.machine_cores + 0.5:
        return [Finding("CPU cores", "slow", said, "Other programs compute; end them, or give fewer --num-cpus.")]
    return [Finding("CPU cores", "ok", said)]


def _memory(facts: Facts) -> list[Finding]:
    limit = f", of which this container may use {_gigabytes(facts.memory_limit_bytes)}" if _limited(facts) else ""
    said = f"{_gigabytes(facts.available_bytes)} free of {_gigabytes(facts.memory_bytes)}{limit}"
    most = facts.memory_limit_bytes if _limited(facts) and facts.memory_limit_bytes else facts.memory_bytes
    if facts.store_bytes > most:
        do = f"Give the container {_gigabytes(facts.store_bytes + LEAST_MEMORY)} or more."
        said += f"; Ray's object store alone asks for {_gigabytes(facts.store_bytes)}"
        return [Finding("memory", "will fail", said, do)]
    if facts.available_bytes < LEAST_MEMORY:
        do = f"End other programs: Ray and one trial need about {_gigabytes(LEAST_MEMORY)}."
        return [Finding("memory", "will fail", said, do)]
    if facts.available_bytes < facts.cores * 1e9 + LEAST_MEMORY:
        do = "Give fewer --num-cpus, about one for each GB of free memory."
        return [Finding("memory", "slow", f"{said}: little for {counted(facts.cores, 'trial')} side by side", do)]
    return [Finding("memory", "ok", said)]


def _limited(facts: Facts) -> bool:
    return facts.memory_limit_bytes is not None and facts.memory_limit_bytes < facts.memory_bytes


def _shared_memory(facts: Facts) -> list[Finding]:
    if facts.shared_memory_bytes is None:
        return []
    said = f"{_gigabytes(facts.shared_memory_bytes)} free, Ray's object store asks for {_gigabytes(facts.store_bytes)}"
    if facts.shared_memory_bytes >= facts.store_bytes:
        return [Finding("/dev/shm", "ok", said)]
    size = -(-facts.store_bytes // 1_000_000_000)
    do = f"In Docker give --shm-size={size}g; until then clips lie on the disk, in {facts.ray_temporary}."
    return [Finding("/dev/shm", "slow", said, do)]


def _folders(facts: Facts) -> list[Finding]:
    return [_folder(folder) for folder in facts.folders] + _sockets(facts)


def _folder(folder: Folder) -> Finding:
    if folder.problem:
        do = "Name another folder, or change its rights."
        return Finding(folder.what, "will fail", f"{folder.path} cannot be written: {folder.problem}", do)
    if folder.free_bytes is None or folder.share_free is None:
        do = "`plan` opens it, and says when it does not answer."
        return Finding(folder.what, "ok", f"{folder.path} is not on this machine and was not opened", do)
    said = f"{folder.path} can be written, {_gigabytes(folder.free_bytes)} free"
    if folder.free_bytes < LEAST_DISK:
        return Finding(folder.what, "will fail", said, "Make room.")
    if folder.free_bytes < LITTLE_DISK:
        return Finding(folder.what, "slow", said, "Make room; `plan` says how much a sweep needs.")
    if folder.what == "temporary files" and folder.share_free < SPILL_SHARE:
        do = "Ray writes nothing to a disk that is so full; set RAY_TMPDIR to a short path on another one."
        return Finding(folder.what, "slow", f"{said}, {100 * folder.share_free:.0f}% of the disk", do)
    return Finding(folder.what, "ok", said)


def _sockets(facts: Facts) -> list[Finding]:
    if len(facts.ray_temporary) <= LONGEST_RAY_FOLDER:
        return []
    said = f"the path of Ray's folder {facts.ray_temporary} is too long for a socket"
    return [Finding("temporary files", "will fail", said, "Set RAY_TMPDIR to a short path, as in /tmp.")]


def _open_files(facts: Facts) -> list[Finding]:
    said = f"a process may have {facts.open_files} of them"
    do = f"Give `ulimit -n {ENOUGH_FILES}`, as root if it is refused; in Docker --ulimit nofile={ENOUGH_FILES}."
    if facts.open_files < FEW_FILES:
        return [Finding("open files", "will fail", said, do)]
    if facts.open_files < ENOUGH_FILES:
        return [Finding("open files", "slow", said, do)]
    return [Finding("open files", "ok", said)]


def _ports(facts: Facts) -> list[Finding]:
    if facts.loopback_problem:
        do = "Ray needs the loopback interface; bring it up, or allow programs to open ports."
        return [Finding("ports", "will fail", f"no port of 127.0.0.1 can be opened: {facts.loopback_problem}", do)]
    said = ", ".join(f"{port} is {state}" for port, state in facts.ports.items())
    told = []
    if facts.ports.get(DASHBOARD_PORT) == "taken":
        told.append("`--dashboard` takes the next free port and prints it.")
    if facts.ports.get(CLUSTER_PORT) == "taken":
        told.append("`ray start --head` needs another --port; a local sweep does not mind.")
    return [Finding("ports", "ok", said, " ".join(told))]


def _address(facts: Facts) -> list[Finding]:
    if not facts.address:
        return []
    if facts.address_problem:
        do = "Unset RAY_ADDRESS for a local run, or start the cluster."
        return [Finding("RAY_ADDRESS", "will fail", f"{facts.address}: {facts.address_problem}", do)]
    return [Finding("RAY_ADDRESS", "ok", f"{facts.address} answers; runs go there, and not to a local Ray")]


def _clock_and_letters(facts: Facts) -> list[Finding]:
    found = []
    if facts.year < LEAST_YEAR:
        do = "Set it: buckets refuse requests of another time."
        found.append(Finding("clock", "will fail", f"it says {facts.year}", do))
    if facts.encoding.lower().replace("-", "") != "utf8":
        do = "Set PYTHONUTF8=1; until then some letters are printed as codes."
        found.append(Finding("locale", "slow", f"prints {facts.encoding}, not UTF-8", do))
    return found


CHECKS: tuple[Callable[[Facts], list[Finding]], ...] = (
    _python, _packages, _extras, _gpus, _compiler, _cores, _memory, _shared_memory, _folders, _open_files, _ports,
    _address, _clock_and_letters,
)  # fmt: skip


def _gigabytes(count: float | None) -> str:
    return f"{(count or 0) / 1e9:.1f} GB"
