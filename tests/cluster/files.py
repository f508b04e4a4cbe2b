"""The files in ``cluster/`` as the tests read them."""

import re
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
CLUSTER = PROJECT / "cluster"
LAUNCHED = sorted(path.name for path in CLUSTER.glob("*.yaml") if path.name != "kuberay.yaml")
"""What ``ray up`` takes."""
CLOUDS = {"a100.yaml": "aws", "gcp-a100.yaml": "gcp"}
"""Those of a cloud, with the extra of pyproject.toml that the head needs to start workers."""


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / name).read_text())


def documents(name: str) -> dict[str, dict[str, Any]]:
    """The objects of a file with several, by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((CLUSTER / name).read_text())}


def shell_blocks(name: str) -> list[str]:
    """The blocks of shell in a document, one text each."""
    return re.findall(r"^```sh\n(.*?)^```", (CLUSTER / name).read_text(), re.DOTALL | re.MULTILINE)


def commands(config: dict[str, Any]) -> list[str]:
    """What sets a head up, in order."""
    return [*config["setup_commands"], *config["head_setup_commands"]]
