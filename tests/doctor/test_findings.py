"""Facts to findings, to the letter: a machine on which all is well, and what each thing wrong with it is told as."""

from dataclasses import replace
from typing import Any

import pytest

from rac_ray.doctor.facts import Facts, Folder, Gpu, Package
from rac_ray.doctor.findings import findings

GB = 1_000_000_000
FINE = Facts(
    python=Package("3.12.1", "<3.14,>=3.11", True),
    platform="Linux-6.1",
    linux=True,
    encoding="utf-8",
    packages={
        "ray": Package("2.60.0", "<2.61,>=2.60", True),
        "torch": Package("2.13.0", "<2.14,>=2.11", True),
        "numba": Package("0.68.1", ">=0.61", True),
    },
    extras={"aws": [], "videos": []},
    torch_cuda=None,
    driver_cuda=None,
    gpus=(),
    gpu_problem="",
    numba_off=False,
    numba_cache="/home/ada/.cache/rac_ray",
    numba_cache_problem="",
    cores=8,
    machine_cores=8,
    load=0.2,
    memory_bytes=32 * GB,
    available_bytes=28 * GB,
    memory_limit_bytes=None,
    store_bytes=8 * GB,
    shared_memory_bytes=16 * GB,
    folders=(
        Folder("storage", "/data/results", 70 * GB, 0.7),
        Folder("data", "s3://bucket/data", None, None),
        Folder("temporary files", "/tmp/ray", 70 * GB, 0.7),
    ),
    ray_temporary="/tmp/ray",
    open_files=65536,
    ports={8265: "free", 6379: "free"},
    loopback_problem="",
    address=None,
    address_problem="",
    year=2026,
)
H100 = Gpu("NVIDIA H100", 80 * GB, 79 * GB, "570.86.15", "Default")
GOLDEN = """\
ok         python           3.12.1 on Linux-6.1
ok         packages         all 3 in versions that fit, among them ray 2.60.0, torch 2.13.0
ok         extras           installed: aws, videos; not installed: none
ok         GPU              no NVIDIA GPU; torch is a CPU build; trials train on CPU cores
ok         compiler         Numba keeps what it compiles in /home/ada/.cache/rac_ray
ok         CPU cores        8 of 8 may be used, load 0.2
ok         memory           28.0 GB free of 32.0 GB
ok         /dev/shm         16.0 GB free, Ray's object store asks for 8.0 GB
ok         storage          /data/results can be written, 70.0 GB free
ok         data             s3://bucket/data is not on this machine and was not opened. `plan` opens it, and says when \
it does not answer.
ok         temporary files  /tmp/ray can be written, 70.0 GB free
ok         open files       a process may have 65536 of them
ok         ports            8265 is free, 6379 is free"""


def test_a_machine_on_which_all_is_well() -> None:
    assert "\n".join(finding.line for finding in findings(FINE)) == GOLDEN


def missing(name: str) -> dict[str, Package]:
    """What is installed, less one package."""
    return {**FINE.packages, name: replace(FINE.packages[name], version=None, fits=False)}


def only(folder: Folder) -> tuple[Folder]:
    return (folder,)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"python": Package("3.10.2", "<3.14,>=3.11", False)},
            "will fail  python           3.10.2 on Linux-6.1, needed is <3.14,>=3.11. "
            "Make an environment with such a Python.",
        ),
        (
            {"linux": False, "platform": "macOS-15"},
            "slow       python           3.12.1 on macOS-15. "
            "Sweeps are tested on Linux only; use Linux, WSL 2 or a container.",
        ),
        (
            {"packages": {**FINE.packages, "ray": Package("2.59.0", "<2.61,>=2.60", False)}},
            "will fail  packages         ray 2.59.0, needed is <2.61,>=2.60. Give `pip install 'ray<2.61,>=2.60'`.",
        ),
        (
            {"packages": {}},
            "slow       packages         rac_ray is not installed, so versions cannot be compared. "
            "Give `pip install -e .` in the folder that holds pyproject.toml.",
        ),
        (
            {"packages": missing("numba")},
            "slow       compiler         Numba is not installed. Give `pip install numba`; CPUs train slower.",
        ),
        (
            {"extras": {"aws": ["boto3"], "videos": []}},
            "ok         extras           installed: videos; not installed: aws. "
            "If you need one: `pip install 'rac-ray[aws]'`.",
        ),
        (
            {"gpus": (H100, H100), "torch_cuda": "12.8", "driver_cuda": 12},
            "ok         GPU              2 x NVIDIA H100 with 80.0 GB, driver 570.86.15; torch is built for CUDA 12.8",
        ),
        (
            {"gpus": (H100,), "driver_cuda": 12},
            "slow       GPU              1 x NVIDIA H100 with 80.0 GB, driver 570.86.15; torch is a CPU build. "
            "Install a CUDA build of the same version from https://pytorch.org, or the GPU is not used.",
        ),
        (
            {"gpus": (H100,), "torch_cuda": "13.0", "driver_cuda": 12},
            "will fail  GPU              1 x NVIDIA H100 with 80.0 GB, driver 570.86.15; torch is built for CUDA 13.0, "
            "but the driver knows CUDA 12 only. Install a newer driver, or a torch build for that CUDA.",
        ),
        (
            {"gpus": (replace(H100, compute_mode="Exclusive_Process"),), "torch_cuda": "12.8", "driver_cuda": 12},
            "will fail  GPU              1 x NVIDIA H100 with 80.0 GB, driver 570.86.15; torch is built for CUDA 12.8; "
            "only one process may use a GPU. Give `nvidia-smi -c DEFAULT` as root, or run with --trials-per-gpu 1.",
        ),
        (
            {"gpus": (replace(H100, compute_mode="Prohibited"),), "torch_cuda": "12.8", "driver_cuda": 12},
            "will fail  GPU              1 x NVIDIA H100 with 80.0 GB, driver 570.86.15; torch is built for CUDA 12.8; "
            "no process may use a GPU. Give `nvidia-smi -c DEFAULT` as root.",
        ),
        (
            {"gpus": (replace(H100, free_bytes=20 * GB),), "torch_cuda": "12.8", "driver_cuda": 12},
            "slow       GPU              1 x NVIDIA H100 with 80.0 GB, driver 570.86.15; torch is built for CUDA 12.8; "
            "only 25% of the memory is free. Look at `nvidia-smi`: another program holds the rest.",
        ),
        (
            {"gpu_problem": "Failed to initialize NVML: Driver/library version mismatch", "torch_cuda": "12.8"},
            "slow       GPU              Failed to initialize NVML: Driver/library version mismatch; "
            "torch is built for CUDA 12.8. Repair the driver; until then a CPU trains.",
        ),
        (
            {"numba_off": True},
            "slow       compiler         NUMBA_DISABLE_JIT is set. "
            "Unset it: on CPUs loops are not compiled and take many times as long.",
        ),
        (
            {"numba_cache_problem": "Permission denied"},
            "slow       compiler         Numba keeps what it compiles in /home/ada/.cache/rac_ray, which cannot be "
            "written: Permission denied. Set NUMBA_CACHE_DIR to a folder that can be written, or every trial compiles "
            "again.",
        ),
        (
            {"load": 6.0},
            "slow       CPU cores        8 of 8 may be used, load 6.0. "
            "Other programs compute; end them, or give fewer --num-cpus.",
        ),
        (
            {"memory_limit_bytes": 4 * GB, "available_bytes": int(3.5 * GB), "store_bytes": 2 * GB, "cores": 2},
            "slow       memory           3.5 GB free of 32.0 GB, of which this container may use 4.0 GB: little for 2 "
            "trials side by side. Give fewer --num-cpus, about one for each GB of free memory.",
        ),
        (
            {"memory_limit_bytes": GB, "available_bytes": GB, "store_bytes": 2 * GB},
            "will fail  memory           1.0 GB free of 32.0 GB, of which this container may use 1.0 GB; Ray's object "
            "store alone asks for 2.0 GB. Give the container 5.0 GB or more.",
        ),
        (
            {"available_bytes": 2 * GB},
            "will fail  memory           2.0 GB free of 32.0 GB. "
            "End other programs: Ray and one trial need about 3.0 GB.",
        ),
        (
            {"shared_memory_bytes": 64_000_000},
            "slow       /dev/shm         0.1 GB free, Ray's object store asks for 8.0 GB. "
            "In Docker give --shm-size=8g; until then clips lie on the disk, in /tmp/ray.",
        ),
        (
            {"folders": only(Folder("data", "/proc/x", None, None, "No such file or directory"))},
            "will fail  data             /proc/x cannot be written: No such file or directory. "
            "Name another folder, or change its rights.",
        ),
        (
            {"folders": only(Folder("storage", "/data/results", 50_000_000, 0.01))},
            "will fail  storage          /data/results can be written, 0.1 GB free. Make room.",
        ),
        (
            {"folders": only(Folder("storage", "/data/results", GB, 0.1))},
            "slow       storage          /data/results can be written, 1.0 GB free. "
            "Make room; `plan` says how much a sweep needs.",
        ),
        (
            {"folders": only(Folder("temporary files", "/tmp/ray", 8 * GB, 0.04))},
            "slow       temporary files  /tmp/ray can be written, 8.0 GB free, 4% of the disk. "
            "Ray writes nothing to a disk that is so full; set RAY_TMPDIR to a short path on another one.",
        ),
        (
            {"ray_temporary": f"/{'x' * 39}/ray"},
            f"will fail  temporary files  the path of Ray's folder /{'x' * 39}/ray is too long for a socket. "
            "Set RAY_TMPDIR to a short path, as in /tmp.",
        ),
        (
            {"open_files": 4096},
            "slow       open files       a process may have 4096 of them. "
            "Give `ulimit -n 8192`, as root if it is refused; in Docker --ulimit nofile=8192.",
        ),
        (
            {"open_files": 256},
            "will fail  open files       a process may have 256 of them. "
            "Give `ulimit -n 8192`, as root if it is refused; in Docker --ulimit nofile=8192.",
        ),
        (
            {"ports": {8265: "taken", 6379: "taken"}},
            "ok         ports            8265 is taken, 6379 is taken. `--dashboard` takes the next free port and "
            "prints it. `ray start --head` needs another --port; a local sweep does not mind.",
        ),
        (
            {"loopback_problem": "Cannot assign requested address"},
            "will fail  ports            no port of 127.0.0.1 can be opened: Cannot assign requested address. "
            "Ray needs the loopback interface; bring it up, or allow programs to open ports.",
        ),
        (
            {"address": "auto", "address_problem": "no `ray start` runs on this machine"},
            "will fail  RAY_ADDRESS      auto: no `ray start` runs on this machine. "
            "Unset RAY_ADDRESS for a local run, or start the cluster.",
        ),
        (
            {"address": "head:6379"},
            "ok         RAY_ADDRESS      head:6379 answers; runs go there, and not to a local Ray",
        ),
        (
            {"year": 1970},
            "will fail  clock            it says 1970. Set it: buckets refuse requests of another time.",
        ),
        (
            {"encoding": "ANSI_X3.4-1968"},
            "slow       locale           prints ANSI_X3.4-1968, not UTF-8. "
            "Set PYTHONUTF8=1; until then some letters are printed as codes.",
        ),
    ],
)
def test_what_is_wrong_is_one_line(changes: dict[str, Any], line: str) -> None:
    lines = [finding.line for finding in findings(replace(FINE, **changes))]
    assert line in lines
    assert [each for each in lines if each.split()[0] != "ok" and each != line] == []


def test_a_path_of_ray_may_be_as_long_as_its_sockets_allow() -> None:
    """Linux takes 107 characters."""
    below = "/session_2026-11-28_19-04-24_123456_1234567/sockets/plasma_store"
    longest = "/" + "x" * (107 - len(below) - 1)
    assert {finding.level for finding in findings(replace(FINE, ray_temporary=longest))} == {"ok"}
    assert "will fail" in {finding.level for finding in findings(replace(FINE, ray_temporary=f"{longest}x"))}
