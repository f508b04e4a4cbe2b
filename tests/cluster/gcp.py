"""Google Cloud as far as Ray talks to it: machines in memory behind the HTTP requests of Google's own client."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import googleapiclient
import httplib2

HOST = "https://compute.googleapis.com/compute/v1/projects/my-project"
ZONE = f"{HOST}/zones/us-central1-a"
ACCOUNT = "ray-autoscaler-sa-v1@my-project.iam.gserviceaccount.com"
DONE = {"name": "done", "status": "DONE"}
CREATE = ("compute.instances.create", "compute.disks.create", "compute.subnetworks.use")
"""What creating any machine takes; more depends on what the machine is to have."""


@dataclass
class Google:
    """Answers what Ray asks; anything else fails."""

    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Method, address without its query, and body of each request."""

    def request(self, _: Any, uri: str, method: str = "GET", body: Any = None, **__: Any) -> tuple[Any, bytes]:
        """In place of ``httplib2.Http.request``."""
        address = unquote(urlsplit(uri)._replace(query="").geturl())
        content = json.loads(body) if body else {}
        self.asked.append((method, address, content))
        answer = json.dumps(self._answer(method, address, content)).encode()
        return httplib2.Response({"status": 200, "content-type": "application/json"}), answer

    def _answer(self, method: str, address: str, body: dict[str, Any]) -> dict[str, Any]:
        machine = re.fullmatch(f"{ZONE}/instances/([^/]+)(/setLabels)?", address)
        if "/operations/" in address or address.endswith("/setCommonInstanceMetadata"):
            return DONE
        if machine and machine[2]:
            self.machines[machine[1]]["labels"] = body["labels"]
            return DONE
        if machine and method == "DELETE":
            self.machines[machine[1]]["status"] = "TERMINATED"
            return DONE
        if machine:
            return self.machines[machine[1]]
        if address == f"{ZONE}/instances" and method == "POST":
            self.machines[body["name"]] = {**body, "status": "RUNNING", "labelFingerprint": "0"}
            return DONE
        return {
            f"{ZONE}/instances": {"items": [each for each in self.machines.values() if each["status"] == "RUNNING"]},
            HOST: {"name": "my-project", "commonInstanceMetadata": {}},
            "https://cloudresourcemanager.googleapis.com/v1/projects/my-project": {
                "projectId": "my-project",
                "lifecycleState": "ACTIVE",
            },
            "https://cloudresourcemanager.googleapis.com/v1/projects/my-project:getIamPolicy": {"bindings": []},
            "https://cloudresourcemanager.googleapis.com/v1/projects/my-project:setIamPolicy": {},
            f"https://iam.googleapis.com/v1/projects/my-project/serviceAccounts/{ACCOUNT}": {
                "email": ACCOUNT,
                "projectId": "my-project",
            },
        }[address]

    def permissions(self, first: int) -> set[str]:
        """What the requests, from the ``first`` one on, take."""
        return {name for request in self.asked[first:] for name in _permissions(*request)}


def _permissions(method: str, address: str, body: dict[str, Any]) -> Iterator[str]:
    if "/operations/" in address:
        yield "compute.zoneOperations.get"
    elif address.endswith("/setLabels"):
        yield "compute.instances.setLabels"
    elif address == f"{ZONE}/instances" and method == "POST":
        yield from CREATE
        extras = {"labels": "setLabels", "metadata": "setMetadata", "serviceAccounts": "setServiceAccount"}
        yield from (f"compute.instances.{permission}" for key, permission in extras.items() if key in body)
        if any("accessConfigs" in each for each in body["networkInterfaces"]):
            yield "compute.subnetworks.useExternalIp"
    else:
        verb = {"DELETE": "delete", "GET": "get" if address != f"{ZONE}/instances" else "list"}[method]
        yield f"compute.instances.{verb}"


def unknown_keys(body: Any, name: str) -> list[str]:
    """Keys of a request's body that Google's description of the API, as its client ships it, does not know."""
    documents = Path(googleapiclient.__file__).parent / "discovery_cache/documents"
    schemas = json.loads((documents / "compute.v1.json").read_text())["schemas"]

    def walk(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema
        if isinstance(value, list):
            assert schema["type"] == "array", path
            for each in value:
                yield from walk(each, schema["items"], path)
        elif isinstance(value, dict) and "properties" in schema:
            for key, inner in value.items():
                if key in schema["properties"]:
                    yield from walk(inner, schema["properties"][key], f"{path}.{key}")
                else:
                    yield f"{path}.{key}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{path}={value}"

    return list(walk(body, {"$ref": name}, name))
