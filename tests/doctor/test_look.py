"""What is looked up of the machine that the tests run on, checked against other ways to know it."""

import os
import platform
import resource
import socket
import sys
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from rac_ray.doctor.facts import Gpu, Package
from rac_ray.doctor.look import (
    address_problem,
    extras_lacking,
    folder_at,
    gpus_of,
    look,
    loopback_problem,
    numba_folder,
    packages_needed,
    port_state,
    ray_folder,
    torch_cuda,
)


def test_this_machine(tmp_path: Path) -> None:
    facts = look(str(tmp_path / "results"), "s3://bucket/data")
    assert facts.python == Package(platform.python_version(), "<3.14,>=3.11", True)
    assert facts.packages["torch"].version == torch.__version__
    assert all(package.fits for package in facts.packages.values()), facts.packages
    assert facts.torch_cuda == torch.version.cuda
    assert len(facts.gpus) == torch.cuda.device_count()
    assert (facts.cores, facts.linux) == (len(os.sched_getaffinity(0)), sys.platform == "linux")
    assert 0 < facts.available_bytes <= facts.memory_bytes
    assert facts.open_files == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert [folder.what for folder in facts.folders] == ["storage", "data", "temporary files"]
    assert set(facts.ports) == {8265, 6379}
    assert (facts.loopback_problem, loopback_problem()) == ("", "")
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_the_build_of_torch_is_read_without_loading_it() -> None:
    assert torch_cuda() == torch.version.cuda


NEEDED = [
    Requirement(text)
    for text in (
        "numpy>=1",
        "torch<1",
        "no-such-package==3",
        'av>=1; extra == "videos"',
        'rac-ray[videos]; extra == "dives"',
        'no-such-package==3; extra == "dives"',
        'pytest>=99; extra == "dev"',
        'numpy>=99; python_version < "3"',
    )
]


def test_packages_are_compared_with_what_is_wanted() -> None:
    found = packages_needed(NEEDED)
    assert list(found) == ["numpy", "torch", "no-such-package"]
    assert (found["numpy"].fits, found["torch"].fits, found["torch"].wanted) == (True, False, "<1")
    assert found["no-such-package"] == Package(None, "==3", False)


def test_an_extra_has_what_the_extras_that_it_names_have() -> None:
    assert extras_lacking(NEEDED) == {"videos": [], "dives": ["no-such-package"]}
    without_av = [Requirement('no-av; extra == "videos"'), *NEEDED[4:6]]
    assert extras_lacking(without_av) == {"videos": ["no-av"], "dives": ["no-av", "no-such-package"]}


def test_the_table_of_gpus() -> None:
    table = (
        "NVIDIA A100, 40 GB, 40960, 40000, 570.86.15, Default\nNVIDIA GB10, [N/A], [N/A], 580.1, Exclusive_Process\n"
    )
    mebibyte = 1 << 20
    assert gpus_of(table) == [
        Gpu("NVIDIA A100, 40 GB", 40960 * mebibyte, 40000 * mebibyte, "570.86.15", "Default"),
        Gpu("NVIDIA GB10", 1, 1, "580.1", "Exclusive_Process"),
    ]


def test_folders(tmp_path: Path) -> None:
    new = folder_at("data", str(tmp_path / "a/b"))
    assert (new.path, new.problem) == (str(tmp_path / "a/b"), "")
    assert new.free_bytes
    assert new.share_free is not None
    assert 0 < new.share_free <= 1
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert folder_at("data", str(tmp_path / "file/b")).problem == "Not a directory"
    assert folder_at("data", "s3://bucket/data") == folder_at("data", "s3://bucket/data/")
    assert folder_at("data", "s3://bucket/data").free_bytes is None


def test_ports() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert port_state(port) == "taken"
        assert address_problem(f"127.0.0.1:{port}", "/tmp/ray") == ""
    assert port_state(port) == "free"
    assert address_problem(f"127.0.0.1:{port}", "") == f"nothing answers at 127.0.0.1:{port} (Connection refused)"


def test_addresses(tmp_path: Path) -> None:
    assert address_problem("local", str(tmp_path)) == ""
    assert address_problem("auto", str(tmp_path)) == "no `ray start` runs on this machine"
    (tmp_path / "ray_current_cluster").write_text("127.0.0.1:1\n")
    assert address_problem("auto", str(tmp_path)) == "nothing answers at 127.0.0.1:1 (Connection refused)"
    assert address_problem("head", "") == "that is not host:port"
    assert address_problem("ray://head:10001", "").startswith("that is a URL; runs take auto or host:port")


def test_folders_of_ray_and_numba_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._common.utils import get_default_ray_temp_dir

    from rac_ray.models.compiled import config

    for variables in ({}, {"TMPDIR": "/var/t"}, {"TMPDIR": "/var/t", "RAY_TMPDIR": "/r"}):
        for name in ("TMPDIR", "RAY_TMPDIR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert ray_folder() == get_default_ray_temp_dir()
    assert config.CACHE_DIR in ("", numba_folder())
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert numba_folder() == "/c/rac_ray"
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/n")
    assert numba_folder() == "/n"
