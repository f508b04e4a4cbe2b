"""``cluster/a100.yaml`` on an AWS that moto plays: up to SSH on the head, and all that the head's autoscaler does."""

import gc
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from ray.autoscaler._private import commands, providers
from ray.autoscaler._private.aws import config as aws_config
from ray.autoscaler._private.aws import node_provider, utils
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.tags import TAG_RAY_NODE_STATUS
from ray.autoscaler.v2.instance_manager.config import FileConfigReader
from ray.autoscaler.v2.instance_manager.node_provider import NodeProviderAdapter

from tests.cluster.aws import ACCOUNT, REGION, Recorder, Request, allows, arn, describe, policy, run_document, tags_of
from tests.cluster.files import CLUSTER, load

IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
LAUNCH_SECONDS = 20

# Ray reads the cluster's file without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*a100.yaml:ResourceWarning")


@dataclass
class Cluster:
    """What ``ray up`` has made, and the head's autoscaler, at work on the configuration that the head was given."""

    config: dict[str, Any]
    """As the head reads it."""
    head: str
    group: str
    laptop: Recorder
    autoscaler: NodeProviderAdapter
    recorder: Recorder
    """Of the head's calls."""

    def launch(self, node_type: str) -> str:
        """Start one worker and return its id."""
        before = set(self.autoscaler.get_non_terminated())
        self.autoscaler.launch({node_type: 1}, "request")
        deadline = time.monotonic() + LAUNCH_SECONDS
        while not (new := set(self.autoscaler.get_non_terminated()) - before) and time.monotonic() < deadline:
            assert self.autoscaler.poll_errors() == []
            time.sleep(0.05)
        (worker,) = new
        return worker


class _NoUpdater:
    """Instead of Ray's own, which would now log in over SSH."""

    exitcode = 0
    files: dict[str, str]
    """What the head gets in its home, by name."""

    def __init__(self, file_mounts: dict[str, str], **_: Any) -> None:
        bootstrap = [path for path in file_mounts if path.startswith("~/ray_bootstrap")]
        type(self).files = {path.removeprefix("~/"): Path(file_mounts[path]).read_text() for path in bootstrap}

    def start(self) -> None: ...

    def join(self) -> None: ...


@pytest.fixture(scope="module")
def cluster(laptop: Path, patch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    patch.setattr(commands, "NodeUpdaterThread", _NoUpdater)
    patch.setattr(aws_config, "time", SimpleNamespace(sleep=lambda seconds: None))
    patch.setattr(node_provider, "TAG_BATCH_DELAY", 0)
    # Each time, moto takes three seconds for all instance types of a region.
    patch.setattr(node_provider, "list_ec2_instances", lru_cache(node_provider.list_ec2_instances))
    patch.setattr(boto3, "DEFAULT_SESSION", None)
    with mock_aws():
        group = run_document("aws.md")["GROUP"]
        edited = laptop / "a100.yaml"
        edited.write_text((CLUSTER / "a100.yaml").read_text().replace("sg-00000000000000000", group))
        _forget()
        at_laptop = Recorder()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # Ray leaves its bootstrap file open
            commands.create_or_update_cluster(str(edited), None, None, False, False, True)
            gc.collect()
        _forget()
        recorder = Recorder()
        for name, content in _NoUpdater.files.items():
            (laptop / name).write_text(content)
        config = json.loads(_NoUpdater.files["ray_bootstrap_config.yaml"])
        provider = providers._get_node_provider(config["provider"], "rac-ray")
        autoscaler = NodeProviderAdapter(provider, FileConfigReader(str(laptop / "ray_bootstrap_config.yaml")))
        (head,) = autoscaler.get_non_terminated()
        yield Cluster(config, head, group, at_laptop, autoscaler, recorder)
    _forget()


def _forget() -> None:
    """Clients, providers and subnets that Ray keeps."""
    for cached in (utils.resource_cache, utils.client_cache, aws_config._get_subnets_or_die):
        cached.cache_clear()
    providers._clear_provider_cache()


def test_head_gets_a_valid_configuration(cluster: Cluster) -> None:
    validate_config(cluster.config)
    types = cluster.config["available_node_types"]
    resources = {name: {**node_type["resources"]} for name, node_type in types.items()}
    memory = resources["a100_spot"].pop("memory")
    assert memory > 700 * 2**30
    assert resources["a100_on_demand"].pop("memory") == memory
    a100 = {"CPU": 96, "GPU": 8, "accelerator_type:A100": 1}
    assert resources == {"head": {"CPU": 8}, "a100_on_demand": a100, "a100_spot": a100}
    assert {name: node_type["max_workers"] for name, node_type in types.items()} == {
        "head": 0,
        "a100_on_demand": 0,
        "a100_spot": 4,
    }


@pytest.mark.parametrize(
    ("node_type", "instance_type", "profile", "lifecycle", "disk"),
    [
        ("head", "m6i.2xlarge", "rac-ray-head", None, 150),
        ("a100_on_demand", "p4d.24xlarge", "rac-ray-worker", None, 200),
        ("a100_spot", "p4d.24xlarge", "rac-ray-worker", "spot", 200),
    ],
)
def test_machine(
    cluster: Cluster, node_type: str, instance_type: str, profile: str, lifecycle: str | None, disk: int
) -> None:
    instance = cluster.head if node_type == "head" else cluster.launch(node_type)
    machine = describe(instance)
    assert machine["InstanceType"] == instance_type
    assert machine.get("InstanceLifecycle") == lifecycle
    assert machine["IamInstanceProfile"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/{profile}"
    assert [each["GroupId"] for each in machine["SecurityGroups"]] == [cluster.group]
    tags = tags_of(instance)
    assert tags["ray-cluster-name"] == "rac-ray"
    assert tags["ray-user-node-type"] == node_type
    assert tags["ray-node-type"] == ("head" if node_type == "head" else "worker")
    asked = (cluster.laptop if node_type == "head" else cluster.recorder).launches()[-1]
    assert asked["ImageId"] == f"resolve:ssm:{IMAGE}"
    assert asked["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 2,
    }
    assert asked["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "gp3", "VolumeSize": disk, "DeleteOnTermination": True}}
    ]
    assert asked.get("InstanceMarketOptions", {}).get("MarketType") == lifecycle
    volumes = (
        boto3.Session()
        .client("ec2", REGION)
        .describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])["Volumes"]
    )
    assert [(volume["VolumeType"], volume["Size"]) for volume in volumes] == [("gp3", disk)]


def test_terminated_not_stopped(cluster: Cluster) -> None:
    worker = cluster.launch("a100_spot")
    cluster.autoscaler.terminate([worker], "request")
    deadline = time.monotonic() + LAUNCH_SECONDS
    while worker in cluster.autoscaler.get_non_terminated() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert cluster.autoscaler.poll_errors() == []
    assert describe(worker)["State"]["Name"] == "terminated"


def test_group_lets_in_the_cluster_and_one_address(cluster: Cluster) -> None:
    (group,) = (
        boto3.Session().client("ec2", REGION).describe_security_groups(GroupIds=[cluster.group])["SecurityGroups"]
    )
    rules = [
        (rule["IpProtocol"], rule.get("FromPort"), [each["CidrIp"] for each in rule["IpRanges"]], rule["Ipv6Ranges"])
        for rule in group["IpPermissions"]
    ]
    assert sorted(rules, key=str) == [("-1", None, [], []), ("tcp", 22, ["203.0.113.7/32"], [])]
    assert [pair["GroupId"] for rule in group["IpPermissions"] for pair in rule["UserIdGroupPairs"]] == [cluster.group]
    made = [parameters["GroupName"] for name, parameters in cluster.laptop.calls if name == "ec2:CreateSecurityGroup"]
    assert made == []


def test_group_that_is_not_there_stops_ray_up(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        aws_config.bootstrap_aws(prepare_config(load("a100.yaml")))
    assert "Failed to detect a security group with id equal to any of the configured" in capsys.readouterr().err


def test_wrong_instance_type_is_noticed(cluster: Cluster) -> None:
    config = prepare_config(load("a100.yaml"))
    fill = node_provider.AWSNodeProvider.fillout_available_node_types_resources
    config["available_node_types"]["a100_spot"]["node_config"]["InstanceType"] = "p4d.25xlarge"
    with pytest.raises(ValueError, match=r"p4d\.25xlarge is not available"):
        fill(config)


def test_head_policy_grants_all_that_the_head_does(cluster: Cluster) -> None:
    before = len(cluster.recorder.calls)
    worker = cluster.launch("a100_spot")
    cluster.launch("a100_on_demand")
    cluster.autoscaler.v1_provider.set_node_tags(worker, {TAG_RAY_NODE_STATUS: "up-to-date"})
    cluster.autoscaler.v1_provider.terminate_nodes([worker])
    requests = cluster.recorder.requests(before)
    assert {request.action for request in requests} == {
        "ec2:CreateTags",
        "ec2:DescribeInstances",
        "ec2:RunInstances",
        "ec2:TerminateInstances",
        "iam:PassRole",
        "ssm:GetParameters",
    }
    assert [request for request in requests if not allows(policy("head"), request)] == []


@pytest.mark.parametrize(
    "request_",
    [
        Request("ec2:TerminateInstances", arn("instance", "i-1"), {"ec2:ResourceTag/ray-cluster-name": "other"}),
        Request("ec2:CreateTags", arn("instance", "i-1"), {}),
        Request(
            "ec2:RunInstances",
            arn("instance", "i-1"),
            {
                "aws:RequestTag/ray-cluster-name": "rac-ray",
                "ec2:InstanceType": "p5.48xlarge",
                "ec2:MetadataHttpTokens": "required",
            },
        ),
        Request(
            "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/rac-ray-head", {"iam:PassedToService": "ec2.amazonaws.com"}
        ),
        Request("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/rac-ray-head"),
        Request("s3:GetObject", "arn:aws:s3:::other-bucket/rac_ray/x"),
        Request("s3:GetObject", "arn:aws:s3:::my-bucket/other/x"),
    ],
)
def test_head_policy_grants_nothing_else(request_: Request) -> None:
    assert not allows(policy("head"), request_)


def test_workers_have_the_bucket_only() -> None:
    worker, head = policy("worker")["Statement"], policy("head")["Statement"]
    assert head[-2:] == worker
    assert [statement["Resource"] for statement in worker] == [
        "arn:aws:s3:::my-bucket",
        ["arn:aws:s3:::my-bucket/rac_ray", "arn:aws:s3:::my-bucket/rac_ray/*"],
    ]
    prefix = "RAC_RAY_STORAGE=s3://my-bucket/rac_ray'"
    assert prefix in load("a100.yaml")["head_setup_commands"][-1]


@pytest.mark.parametrize("role", ["head", "worker"])
def test_policies_name_each_action(role: str) -> None:
    statements = policy(role)["Statement"]
    actions = [
        action
        for each in statements
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    ]
    assert [action for action in actions if "*" in action] == []
    assert [each["Sid"] for each in statements if each["Resource"] == "*"] == (["Look"] if role == "head" else [])
