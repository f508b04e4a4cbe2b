"""What ``cluster/monitoring`` writes and gets. tests/sweep/test_dashboard.py looks at it in Ray's dashboard."""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from ray.dashboard.modules.metrics import metrics_head
from ray.dashboard.modules.metrics.grafana_dashboard_factory import generate_default_grafana_dashboard
from ray.scripts.scripts import cli as ray_cli

from tests.cluster.files import CLUSTER

MONITORING = CLUSTER / "monitoring"
RAY_READS = {
    metrics_head.PROMETHEUS_HOST_ENV_VAR,
    metrics_head.GRAFANA_HOST_ENV_VAR,
    metrics_head.GRAFANA_IFRAME_HOST_ENV_VAR,
}
OURS = json.loads((MONITORING / "dashboard.json").read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    (folder / "token").write_text("")
    where = ["--token", str(folder / "token"), "--ray", "http://127.0.0.1:81", "--prometheus", "http://127.0.0.1:82"]
    subprocess.run(
        [sys.executable, MONITORING / "configure.py", folder, *where, "--grafana-port", "83"], check=True
    )  # fmt: skip
    return folder


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def page(written: Path) -> dict[str, Any]:
    return read(written / "grafana/dashboards/ray.json")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs a promtool binary in PATH")
def test_prometheus_takes_its_configuration(written: Path) -> None:
    subprocess.run(["promtool", "check", "config", written / "prometheus.yml"], check=True)


def test_prometheus_asks_ray_for_the_nodes_with_the_token(written: Path) -> None:
    (job,) = read(written / "prometheus.yml")["scrape_configs"]
    assert job["http_sd_configs"] == [
        {
            "url": "http://127.0.0.1:81/api/prometheus/sd",
            "refresh_interval": "10s",
            "authorization": {"type": "Bearer", "credentials_file": str(written / "token")},
        }
    ]


def test_grafana_is_on_loopback_and_can_be_embedded(written: Path) -> None:
    ini = configparser.ConfigParser()
    ini.read(written / "grafana/grafana.ini")
    assert dict(ini["server"]) == {"http_addr": "127.0.0.1", "http_port": "83"}
    assert ini["security"].getboolean("allow_embedding")
    assert ini["paths"]["provisioning"] == str(written / "grafana/provisioning")
    (source,) = read(written / "grafana/provisioning/datasources/ray.yml")["datasources"]
    assert (source["name"], source["type"], source["url"]) == ("Prometheus", "prometheus", "http://127.0.0.1:82")
    (provider,) = read(written / "grafana/provisioning/dashboards/ray.yml")["providers"]
    assert provider["options"]["path"] == str(written / "grafana/dashboards")


def test_every_dashboard_has_a_uid_and_a_title_of_its_own(written: Path) -> None:
    found = [read(path) for path in sorted((written / "grafana/dashboards").glob("*.json"))]
    assert len({each["uid"] for each in found}) == len({each["title"] for each in found}) == len(found) == 4


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ray leaves its own file open
def test_the_metrics_page_has_our_panels_and_then_all_of_rays(written: Path) -> None:
    content, uid = generate_default_grafana_dashboard()
    theirs, ours = json.loads(content)["panels"], OURS["panels"]
    panels = page(written)["panels"]
    assert page(written)["uid"] == uid == "rayDefaultDashboard"
    assert [panel["title"] for panel in panels] == [panel["title"] for panel in [*ours, *theirs]]
    numbers = [panel["id"] for panel in panels]
    assert len(set(numbers)) == len(numbers)
    assert numbers[len(ours) :] == [panel["id"] for panel in theirs]
    assert {24, 41} <= set(numbers[len(ours) :]), "Ray's other pages show them one by one"


def test_no_two_panels_of_the_metrics_page_overlap(written: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in page(written)["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_every_variable_of_a_query_is_defined_on_the_metrics_page(written: Path) -> None:
    variables = [each["name"] for each in page(written)["templating"]["list"]]
    assert len(set(variables)) == len(variables)
    assert {each["name"] for each in OURS["templating"]["list"]} <= set(variables)
    assert {"SessionName", "Instance", "Cluster"} <= set(variables)


def repository_of(folder: Path, home: Path) -> str:
    """A repository of packages with one of them, a Grafana that says its name; returns its key's fingerprint."""
    package, lists = folder / "grafana", folder / "dists/stable/main/binary-amd64"
    (package / "usr/share/grafana/bin").mkdir(parents=True)
    (package / "DEBIAN").mkdir()
    program = package / "usr/share/grafana/bin/grafana"
    program.write_text("#!/bin/sh\necho our own Grafana\n")
    program.chmod(0o755)
    control = "Package: grafana\nVersion: 12.1.1\nArchitecture: amd64\nMaintainer: nobody\nDescription: a test\n"
    (package / "DEBIAN/control").write_text(control)
    run = {"cwd": folder, "env": {**os.environ, "GNUPGHOME": str(home)}, "check": True, "capture_output": True}
    subprocess.run(["dpkg-deb", "--build", "grafana", "grafana.deb"], **run)
    lists.mkdir(parents=True)
    scanned = subprocess.run(["dpkg-scanpackages", "."], **run).stdout
    (lists / "Packages").write_bytes(scanned)
    (folder / "dists/stable/Release").write_text(
        "Suite: stable\nCodename: stable\nArchitectures: amd64\nComponents: main\n"
        f"Date: Sat, 28 Nov 2026 00:00:00 UTC\n"
        f"SHA256:\n {sha256(scanned).hexdigest()} {len(scanned)} main/binary-amd64/Packages\n"
    )
    gpg = ["gpg", "--batch", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", "nobody", "rsa2048", "sign", "never"], **run)
    subprocess.run([*gpg, "--clearsign", "--output", "dists/stable/InRelease", "dists/stable/Release"], **run)
    subprocess.run([*gpg, "--armor", "--output", "gpg.key", "--export"], **run)
    keys = subprocess.run([*gpg, "--list-keys", "--with-colons"], text=True, **run).stdout
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], **run)  # which gpg has started
    return next(line.split(":")[9] for line in keys.splitlines() if line.startswith("fpr:"))


@pytest.mark.skipif(not all(map(shutil.which, ("apt-get", "gpg", "dpkg-scanpackages"))), reason="needs Debian's tools")
def test_grafana_comes_from_the_repository_whose_key_is_known(tmp_path: Path) -> None:
    """From a repository of the test's own: with its key, and with another's, of which nothing is taken."""
    packages, home = tmp_path / "packages", tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    packages.mkdir()
    key = repository_of(packages, home)
    for name, fingerprint in (("right", key), ("wrong", "B53AE77BADB630A683046005963FA27710458545")):
        environment = {**os.environ, "GRAFANA_PACKAGES": f"file:{packages}", "GRAFANA_KEY": fingerprint}
        command = ["sh", MONITORING / "install.sh", tmp_path / name]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        program = tmp_path / name / "usr/share/grafana/bin/grafana"
        assert program.exists() == (name == "right"), done.stderr
        assert ("grafana cannot be had" in done.stderr) == (name == "wrong")
    assert [path.name for path in (tmp_path / "wrong").iterdir()] == []


@pytest.mark.parametrize("name", ["install.sh", "start.sh"])
def test_the_scripts_are_plain_shell(name: str) -> None:
    subprocess.run(["sh", "-n", MONITORING / name], check=True)


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs a prometheus binary in PATH")
def test_prometheus_is_started_again_and_ends_with_ray(tmp_path: Path) -> None:
    """Ray is the port of its dashboard."""
    with socket.create_server(("127.0.0.1", 0)) as dashboard, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        ports = {"PROMETHEUS_PORT": str(port), "RAY_DASHBOARD_PORT": str(dashboard.getsockname()[1])}
        environment = {**os.environ, **ports, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        free.close()
        first, second = (started(tmp_path, environment, port) for _ in range(2))
        assert not lives(first)
        assert lives(second)
        time.sleep(6)  # somebody looks every five seconds
        assert lives(second)
    wait_until(lambda: not lives(second))
    assert not lives(second)
    wait_until(lambda: not list(tmp_path.glob("*.pid")))
    assert not (tmp_path / "started").exists()
    subprocess.run(["sh", MONITORING / "stop.sh", tmp_path], check=True)


def started(folder: Path, environment: dict[str, str], port: int) -> int:
    """The id of the Prometheus that listens after the script, on loopback alone."""
    subprocess.run(["sh", MONITORING / "start.sh", folder], env=environment, check=True)
    number = int((folder / "prometheus.pid").read_text())
    wait_until(lambda: listening(number) == {("127.0.0.1", port)})
    assert listening(number) == {("127.0.0.1", port)}, (folder / "prometheus.log").read_text()
    return number


def listening(number: int) -> set[Any]:
    return {each.laddr for each in psutil.Process(number).net_connections() if each.status == psutil.CONN_LISTEN}


def lives(number: int) -> bool:
    return psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.1)


BLOCKS = re.findall(r"^```sh\n(.*?)^```", (CLUSTER.parent / "docs/monitoring.md").read_text(), re.DOTALL | re.MULTILINE)


def test_every_command_of_the_document_exists() -> None:
    """Scripts are there, and Ray and the sweep's command line know the words; what they do, others test."""
    lines = [line for block in BLOCKS for line in block.splitlines()]
    assert len(lines) >= 8
    for line in lines:
        program, *words = shlex.split(line)
        if program == "ray":
            command = ray_cli.commands[words[0]]
            assert command.make_context(words[0], words[1:]).params
        elif program == "export":
            assert [word.partition("=")[0] in RAY_READS for word in words] == [True] * len(words)
        elif program == "sh":
            assert (CLUSTER.parent / words[0]).is_file()
        else:
            assert line == "python sweeps/ts_grid.py run --preset demo --dashboard"


def test_every_series_of_the_document_is_on_the_dashboard() -> None:
    document = (CLUSTER.parent / "docs/monitoring.md").read_text()
    told = set(re.findall(r"^\| `(ray_rac_\w+)`", document, re.MULTILINE))
    assert told == set(re.findall(r"ray_rac_\w+", json.dumps(OURS["panels"])))
