"""Every file of ``ray up``: Ray's validation, what the set-up commands install and write, what must not stand there."""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli

from tests.cluster.files import CLOUDS, CLUSTER, LAUNCHED, PROJECT, commands, load

CONSTRAINTS = "constraints.txt"
SECRETS = re.compile(r"AKIA|PRIVATE KEY|RAY_AUTH_TOKEN=|password\s*[:=]|\b[0-9a-f]{32,}\b", re.IGNORECASE)
GRAFANA_KEY = "B53AE77BADB630A683046005963FA27710458545"
GPUS_PER_WORKER = 8


@pytest.mark.parametrize("name", LAUNCHED)
def test_valid_for_ray(name: str) -> None:
    config = prepare_config(load(name))
    validate_config(config)
    assert config["cluster_name"] == "rac-ray"


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize(
    ("path", "key"),
    [
        ([], "max_worker"),
        (["docker"], "worker_imag"),
        (["auth"], "ssh_usr"),
        (["available_node_types", "head"], "resource"),
    ],
)
def test_misspelt_key_is_noticed(name: str, path: list[str], key: str) -> None:
    config = prepare_config(load(name))
    part = config
    for step in path:
        part = part[step]
    part[key] = 1
    with pytest.raises(ValidationError, match=f"'{key}' was unexpected"):
        validate_config(config)


@pytest.mark.parametrize("name", CLOUDS)
def test_workers_come_and_go(name: str) -> None:
    config = load(name)
    types = config["available_node_types"]
    assert {kind: (each["min_workers"], each["max_workers"]) for kind, each in types.items() if kind != "head"} == {
        "a100_on_demand": (0, 0),
        "a100_spot": (0, 4),
    }
    assert config["max_workers"] == sum(each.get("max_workers", 0) for each in types.values())
    assert config["idle_timeout_minutes"] == 10
    assert config["provider"]["cache_stopped_nodes"] is False
    assert f"RAC_RAY_NUM_GPUS={GPUS_PER_WORKER * config['max_workers']}'" in config["head_setup_commands"][-1]


@pytest.mark.parametrize("name", CLOUDS)
def test_images_have_the_pinned_ray(name: str) -> None:
    ray = f"rayproject/ray:{_pins()['ray']}-py311"
    docker = load(name)["docker"]
    assert (docker["head_image"], docker["worker_image"]) == (f"{ray}-cpu", f"{ray}-gpu")


@pytest.mark.parametrize("name", LAUNCHED)
def test_installs_what_constraints_pin(name: str) -> None:
    config = load(name)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    torch = next(each for each in project["dependencies"] if each.startswith("torch>"))
    installs = [_pip(command) for command in commands(config) if "pip install" in command]
    extra = CLOUDS.get(name)
    targets = [torch, "--editable .", *([f"--editable .[{extra}]"] if extra else [])]
    assert installs == [(CONSTRAINTS, target) for target in targets]
    mounts = {there: here for there, here in config["file_mounts"].items() if there.startswith("~/rac_ray/")}
    readme, (licence,) = project["readme"], project["license-files"]
    folders = {"rac_ray", "sweeps", "cluster/monitoring"}
    assert set(mounts.values()) == {*folders, "pyproject.toml", CONSTRAINTS, readme, licence}
    assert all(there == f"~/rac_ray/{here}" and (PROJECT / here).exists() for there, here in mounts.items())
    assert (PROJECT / CONSTRAINTS).is_file()
    needed = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else [])]
    unpinned = [each for each in map(Requirement, needed) if not each.specifier.contains(_pins()[each.name])]
    assert unpinned == []


def _pip(command: str) -> tuple[str, str]:
    """The file of constraints below the project's folder, and what is installed."""
    folder, _, rest = command.rpartition("cd ~/rac_ray && ")
    words = shlex.split(rest)
    words = words[words.index("install") + 1 :]
    constraints = words[words.index("--constraint") + 1]
    words = [word for word in words if word not in ("--quiet", "--constraint", constraints)]
    inside = constraints.removeprefix("~/rac_ray/") if not command.startswith("cd ") else constraints
    assert folder == ""
    return inside, " ".join(words)


def _pins() -> dict[str, str]:
    """Pinned versions by the names that pyproject.toml uses."""
    lines = (PROJECT / CONSTRAINTS).read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if line)


@pytest.mark.parametrize("name", CLOUDS)
def test_environment_is_written_once(name: str, tmp_path: Path) -> None:
    config = load(name)
    (tmp_path / ".bashrc").touch()
    writing = [command for command in commands(config) if "rac_ray.env" in command]
    assert len(writing) == 2
    for command in [*writing, *writing]:
        _bash(command, tmp_path)
    assert (tmp_path / ".bashrc").read_text() == ". ~/rac_ray.env\n"
    storage = {"aws": "s3", "gcp": "gs"}[CLOUDS[name]]
    assert _bash("source ~/.bashrc; env | grep -E '^(RAC_RAY|RAY)_' | sort", tmp_path).splitlines() == [
        "RAC_RAY_NUM_GPUS=32",
        f"RAC_RAY_STORAGE={storage}://my-bucket/rac_ray",
        "RAY_ADDRESS=auto",
        "RAY_AUTH_MODE=token",
        "RAY_GRAFANA_HOST=http://127.0.0.1:3000",
        "RAY_GRAFANA_IFRAME_HOST=http://localhost:3000",
        "RAY_PROMETHEUS_HOST=http://127.0.0.1:9090",
    ]


def _bash(command: str, home: Path) -> str:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", LAUNCHED)
def test_all_commands_are_shell(name: str) -> None:
    config = load(name)
    kinds = [kind for kind in config if kind.endswith("_commands")]
    for command in [command for kind in kinds for command in config[kind]]:
        subprocess.run(["bash", "-n", "-c", command], check=True)


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_starts_on_loopback_with_options_that_it_has(name: str) -> None:
    config = load(name)
    head, worker = (_ray_start(config[f"{kind}_start_ray_commands"]) for kind in ("head", "worker"))
    assert head == {
        "--head": "",
        "--port": "6379",
        "--dashboard-host": "127.0.0.1",
        "--autoscaling-config": "~/ray_bootstrap_config.yaml",
    }
    assert {**worker, "--block": ""} == {"--address": "$RAY_HEAD_IP:6379", "--block": ""}
    known = {option for parameter in cli.commands["start"].params for option in parameter.opts}
    assert {*head, *worker} <= known


def _ray_start(start: list[str]) -> dict[str, str]:
    """The options of ``ray start``; on machines of one's own it stays in the background and is waited for."""
    stop, command, *_ = start
    assert stop == "ray stop"
    options = re.fullmatch(r"ulimit -n 65536; (?:setsid nohup )?ray start ([^>]+?)(?: > .*)?", command)[1].split()  # type: ignore[index]
    return {name: value for name, _, value in (option.partition("=") for option in options)}


@pytest.mark.parametrize("name", LAUNCHED)
def test_the_head_alone_gets_prometheus_and_grafana(name: str) -> None:
    config = load(name)
    kinds = {kind: lines for kind, lines in config.items() if kind.endswith("_commands")}
    scripts = {kind: [line for line in lines if "/cluster/monitoring/" in line] for kind, lines in kinds.items()}
    assert {kind: lines for kind, lines in scripts.items() if lines} == {
        "head_setup_commands": ["sh ~/rac_ray/cluster/monitoring/install.sh"],
        "head_start_ray_commands": ["sh ~/rac_ray/cluster/monitoring/start.sh"],
    }
    assert "export RAY_GRAFANA_HOST=http://127.0.0.1:3000" in config["head_setup_commands"][-1]


@pytest.mark.parametrize("name", LAUNCHED)
def test_every_machine_gets_the_token(name: str) -> None:
    config = load(name)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    everywhere: list[Any] = config["setup_commands"]
    assert any("export RAY_AUTH_MODE=token" in command for command in everywhere)


@pytest.mark.parametrize(
    "path", sorted(path for path in CLUSTER.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_no_secrets(path: Path) -> None:
    """The fingerprint of a public key is none."""
    assert [each for each in SECRETS.findall(path.read_text()) if each != GRAFANA_KEY] == []


def test_secrets_would_be_noticed() -> None:
    assert SECRETS.findall("key: AKIAXX\ntoken: " + "0f" * 32) == ["AKIA", "0f" * 32]
