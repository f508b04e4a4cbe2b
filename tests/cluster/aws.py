"""AWS as moto plays it: the documented commands run against it, calls are recorded, policies judge them."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import boto3
import jmespath
from botocore import xform_name

from tests.cluster.files import CLUSTER, PROJECT, shell_blocks

REGION = "us-east-1"
ACCOUNT = "123456789012"
BY_LAUNCH = ("image", "key-pair", "network-interface", "security-group", "subnet", "volume")
"""Types of resources that starting any machine touches, apart from the machine."""


def run_document(name: str) -> dict[str, str]:
    """Run what a document tells to run with the AWS command line; the shell variables that are set by then."""
    variables: dict[str, str] = {}
    for line in "".join(shell_blocks(name)).replace("\\\n", "").splitlines():
        assigned = re.fullmatch(r"([A-Z]+)=(?:\$\((.*)\)|'(.*)')", line)
        if assigned and assigned[3]:
            variables[assigned[1]] = assigned[3]
        elif assigned:
            variables[assigned[1]] = _run(assigned[2], variables)
        elif line.startswith("aws "):
            _run(line, variables)
    return variables


def _run(command: str, variables: Mapping[str, str]) -> str:
    """One command of the AWS command line as the API call that it stands for."""
    _, service, action, *rest = shlex.split(command)
    client = boto3.client({"s3api": "s3"}.get(service, service), region_name=REGION)
    operation = client.meta.method_to_api_mapping[action.replace("-", "_")]
    members = client.meta.service_model.operation_model(operation).input_shape.members
    names = {"--" + xform_name(member, "-"): member for member in members}
    options: dict[str, list[str]] = {}
    for word in rest:
        if word.startswith("--"):
            options[word] = []
        else:
            filled = re.sub(r"\$([A-Z]+)", lambda found: variables[found[1]], word)
            options[list(options)[-1]].append(filled)
    query = options.pop("--query", None)
    options.pop("--output", None)
    parameters: dict[str, Any] = {}
    if rule := {name: options.pop(name)[0] for name in _RULE if name in options}:
        parameters["IpPermissions"] = [_permission(rule)]
    for name, values in options.items():
        kind = members[names[name]].type_name
        parameters[names[name]] = [_pair(value) for value in values] if kind == "list" else _text(values[0])
    answer = getattr(client, action.replace("-", "_"))(**parameters)
    return str(jmespath.search(query[0], answer)) if query else ""


_RULE = ("--protocol", "--port", "--cidr", "--source-group")


def _permission(rule: Mapping[str, str]) -> dict[str, Any]:
    protocol = {"all": "-1"}.get(rule["--protocol"], rule["--protocol"])
    permission: dict[str, Any] = {"IpProtocol": protocol}
    if "--port" in rule:
        permission |= {"FromPort": int(rule["--port"]), "ToPort": int(rule["--port"])}
    if "--cidr" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["--cidr"]}]
    if "--source-group" in rule:
        permission["UserIdGroupPairs"] = [{"GroupId": rule["--source-group"]}]
    return permission


def _text(value: str) -> str:
    return (PROJECT / value.removeprefix("file://")).read_text() if value.startswith("file://") else value


def _pair(value: str) -> dict[str, Any]:
    """``Name=tag:x,Values=a,b`` as the API takes a filter."""
    name, values = re.fullmatch(r"Name=([^,]+),Values=(.+)", value, re.DOTALL).groups()  # type: ignore[union-attr]
    return {"Name": name, "Values": values.split(",")}


@dataclass(frozen=True)
class Request:
    """What a policy is asked for: may this action touch this resource, under these circumstances?"""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


def allows(policy: Mapping[str, Any], request: Request) -> bool:
    """Whether a policy of Allow statements with StringEquals conditions grants a request."""
    return any(
        request.action in _list(statement["Action"])
        and any(fnmatchcase(request.resource, pattern) for pattern in _list(statement["Resource"]))
        and all(request.context.get(key) == value for key, value in _conditions(statement))
        for statement in policy["Statement"]
    )


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for operator, pairs in statement.get("Condition", {}).items():
        assert operator == "StringEquals"
        yield from pairs.items()


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def policy(role: str) -> dict[str, Any]:
    return json.loads((CLUSTER / f"aws-{role}-policy.json").read_text())


@dataclass
class Recorder:
    """Every API call of the default session's clients; machines start with an image that moto has."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = boto3.Session().client("ec2", REGION).describe_images()["Images"][0]["ImageId"]
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-parameter-build", self._record)

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((f"{model.service_model.service_name}:{model.name}", deepcopy(params)))
        if model.name == "RunInstances":
            params["ImageId"] = self.image

    def launches(self) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.calls if name == "ec2:RunInstances"]

    def requests(self, first: int) -> list[Request]:
        """What the calls, from the ``first`` one on, ask policies for."""
        return [request for name, parameters in self.calls[first:] for request in _requests(name, parameters)]


def _requests(name: str, parameters: dict[str, Any]) -> Iterator[Request]:
    if name == "ec2:DescribeInstances":
        yield Request(name)
    elif name == "ec2:RunInstances":
        yield from _launch(parameters)
    else:
        assert name in ("ec2:CreateTags", "ec2:TerminateInstances"), f"no rule says what {name} touches"
        for instance in parameters.get("Resources") or parameters["InstanceIds"]:
            tags = {f"ec2:ResourceTag/{key}": value for key, value in tags_of(instance).items()}
            yield Request(name, arn("instance", instance), tags)


def _launch(parameters: dict[str, Any]) -> Iterator[Request]:
    tags = {tag["Key"]: tag["Value"] for tag in parameters["TagSpecifications"][0]["Tags"]}
    machine = {
        **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
        "ec2:InstanceType": parameters["InstanceType"],
        "ec2:MetadataHttpTokens": parameters["MetadataOptions"]["HttpTokens"],
    }
    yield Request("ec2:RunInstances", arn("instance", "i-new"), machine)
    kinds = [*BY_LAUNCH, "spot-instances-request"] if "InstanceMarketOptions" in parameters else BY_LAUNCH
    yield from (Request("ec2:RunInstances", arn(kind, "new")) for kind in kinds)
    yield Request("ec2:CreateTags", arn("instance", "i-new"), {"ec2:CreateAction": "RunInstances"})
    parameter = parameters["ImageId"].removeprefix("resolve:ssm:")
    yield Request("ssm:GetParameters", f"arn:aws:ssm:{REGION}::parameter{parameter}")
    name = parameters["IamInstanceProfile"]["Name"]
    profile = boto3.Session().client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    yield Request("iam:PassRole", profile["Roles"][0]["Arn"], {"iam:PassedToService": "ec2.amazonaws.com"})


def arn(kind: str, name: str) -> str:
    return f"arn:aws:ec2:{REGION}:{'' if kind == 'image' else ACCOUNT}:{kind}/{name}"


def tags_of(instance: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in describe(instance)["Tags"]}


def describe(instance: str) -> dict[str, Any]:
    """A machine as EC2 describes it, without a trace in any recorder."""
    found = boto3.Session().client("ec2", REGION).describe_instances(InstanceIds=[instance])
    return found["Reservations"][0]["Instances"][0]
