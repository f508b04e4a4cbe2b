"""``cluster/gcp-a100.yaml`` on a Google Cloud in memory: bootstrap, machines, and what the head's role must grant."""

import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google.auth
import httplib2
import pytest
from google.auth.credentials import AnonymousCredentials
from ray.autoscaler._private import commands
from ray.autoscaler._private.gcp.node_provider import GCPNodeProvider
from ray.autoscaler._private.util import validate_config
from ray.autoscaler.tags import TAG_RAY_NODE_KIND, TAG_RAY_NODE_NAME, TAG_RAY_NODE_STATUS, TAG_RAY_USER_NODE_TYPE

from tests.cluster.files import load, shell_blocks
from tests.cluster.gcp import ZONE, Google, unknown_keys

ON_DEMAND = {"onHostMaintenance": "TERMINATE", "automaticRestart": False}
SPOT = {**ON_DEMAND, "provisioningModel": "SPOT", "instanceTerminationAction": "DELETE"}
EMAIL = "rac-ray-{}@my-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/{}"


@dataclass
class Cluster:
    config: dict[str, Any]
    """After Ray's bootstrap."""
    google: Google
    provider: GCPNodeProvider

    def launch(self, node_type: str) -> dict[str, Any]:
        """Start a machine as Ray does, and return what Google was asked for."""
        kind = "head" if node_type == "head" else "worker"
        base = deepcopy(self.config["head_node"]) if kind == "head" else {}
        base |= self.config["available_node_types"][node_type]["node_config"]
        tags = {TAG_RAY_NODE_KIND: kind, TAG_RAY_NODE_NAME: f"ray-rac-ray-{kind}", TAG_RAY_USER_NODE_TYPE: node_type}
        (name,) = self.provider.create_node(base, tags, 1)
        return self.google.machines[name]


@pytest.fixture(scope="module")
def cluster(laptop: Path, patch: pytest.MonkeyPatch) -> Cluster:
    google_ = Google()
    patch.setattr(google.auth, "default", lambda *_, **__: (AnonymousCredentials(), "my-project"))
    patch.setattr(httplib2.Http, "request", lambda *given, **named: google_.request(*given, **named))
    config = commands._bootstrap_config(load("gcp-a100.yaml"), no_config_cache=True)
    return Cluster(config, google_, GCPNodeProvider(config["provider"], "rac-ray"))


def test_bootstrap_keeps_what_the_file_says(cluster: Cluster) -> None:
    validate_config({key: value for key, value in cluster.config.items() if key != "head_node"})
    said = load("gcp-a100.yaml")["available_node_types"]
    done = cluster.config["available_node_types"]
    assert {name: each["node_config"] for name, each in done.items()} == {
        name: each["node_config"] for name, each in said.items()
    }
    a100 = {"CPU": 96, "GPU": 8, "accelerator_type:A100": 1}
    assert {name: each["resources"] for name, each in done.items()} == {
        "head": {"CPU": 8},
        "a100_on_demand": a100,
        "a100_spot": a100,
    }


@pytest.mark.parametrize(
    ("node_type", "machine_type", "account", "scope", "disk", "scheduling"),
    [
        ("head", "n2-standard-8", "head", "cloud-platform", 150, None),
        ("a100_on_demand", "a2-highgpu-8g", "worker", "devstorage.read_write", 200, ON_DEMAND),
        ("a100_spot", "a2-highgpu-8g", "worker", "devstorage.read_write", 200, SPOT),
    ],
)
def test_machine(
    cluster: Cluster,
    node_type: str,
    machine_type: str,
    account: str,
    scope: str,
    disk: int,
    scheduling: dict[str, Any] | None,
) -> None:
    machine = cluster.launch(node_type)
    assert machine["machineType"] == f"zones/us-central1-a/machineTypes/{machine_type}"
    assert machine["serviceAccounts"] == [{"email": EMAIL.format(account), "scopes": [SCOPE.format(scope)]}]
    (boot,) = machine["disks"]
    assert (boot["boot"], boot["autoDelete"], boot["initializeParams"]["diskSizeGb"]) == (True, True, disk)
    (interface,) = machine["networkInterfaces"]
    assert interface["subnetwork"] == "projects/my-project/regions/us-central1/subnetworks/rac-ray"
    assert machine.get("scheduling") == scheduling
    assert machine["labels"]["ray-cluster-name"] == "rac-ray"
    assert machine["labels"][TAG_RAY_USER_NODE_TYPE] == node_type
    (body,) = [
        body
        for method, address, body in cluster.google.asked
        if (method, address) == ("POST", f"{ZONE}/instances") and body["name"] == machine["name"]
    ]
    assert unknown_keys(body, "Instance") == []


def test_unknown_keys_and_values_are_noticed() -> None:
    broken = {"machineTyp": "x", "scheduling": {"provisioningModel": "SPOTTY"}}
    assert unknown_keys(broken, "Instance") == ["Instance.machineTyp", "Instance.scheduling.provisioningModel=SPOTTY"]


def test_head_role_grants_what_the_head_does_and_little_more(cluster: Cluster) -> None:
    before = len(cluster.google.asked)
    name = cluster.launch("a100_spot")["name"]
    cluster.launch("a100_on_demand")
    assert name in cluster.provider.non_terminated_nodes({})
    cluster.provider.set_node_tags(name, {TAG_RAY_NODE_STATUS: "up-to-date"})
    assert cluster.google.machines[name]["labels"][TAG_RAY_NODE_STATUS] == "up-to-date"
    cluster.provider.terminate_node(name)
    assert name not in cluster.provider.non_terminated_nodes({})
    assert cluster.provider.is_terminated(name)
    (granted,) = re.findall(r"--permissions (\S+)", "".join(shell_blocks("gcp.md")))
    assert set(granted.split(",")) == cluster.google.permissions(before)


def test_network_lets_in_the_cluster_and_one_address() -> None:
    rules = re.findall(r"firewall-rules create .* --allow (\S+) --source-ranges (\S+)", "".join(shell_blocks("gcp.md")))
    assert rules == [("all", "10.10.0.0/20"), ("tcp:22", "203.0.113.7/32")]


def test_document_makes_what_the_file_uses() -> None:
    document = "".join(shell_blocks("gcp.md"))
    for name in ("rac-ray-head", "rac-ray-worker"):
        assert f"service-accounts create {name}\n" in document
    assert "networks subnets create rac-ray --network rac-ray --region us-central1 " in document
    assert "buckets create gs://my-bucket " in document
    assert "RAC_RAY_STORAGE=gs://my-bucket/rac_ray'" in load("gcp-a100.yaml")["head_setup_commands"][-1]
