"""``cluster/kuberay.yaml`` and its image: Kubernetes' schemas, the fields of KubeRay, and Ray's own reader."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr as derive

from tests.cluster.files import CLUSTER, PROJECT, documents, load

KUBERNETES = "1.37"
DOCKERFILE = (CLUSTER / "Dockerfile").read_text()
GIB = 2**30
TEXT, FLAG, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
ANY = {"type": "object"}
"""What Kubernetes' own schemas check."""


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


METADATA = closed(["name"], name=TEXT)
# Names, types and required fields as KubeRay's API reference gives them (ray.io/v1); only what the file uses.
GROUP = {"rayStartParams": {"type": "object", "additionalProperties": TEXT}, "template": closed(["spec"], spec=ANY)}
RAY_CLUSTER = closed(
    ["headGroupSpec"],
    rayVersion=TEXT,
    authOptions=closed([], mode={"enum": ["disabled", "token"]}, secretName=TEXT),
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=closed(
        [],
        idleTimeoutSeconds=COUNT,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        resources=ANY,
        securityContext=ANY,
    ),
    headGroupSpec=closed(["template"], serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, **GROUP),
    workerGroupSpecs={
        "type": "array",
        "items": closed(
            ["groupName", "maxReplicas", "minReplicas", "template"],
            groupName=TEXT,
            replicas=COUNT,
            minReplicas=COUNT,
            maxReplicas=COUNT,
            **GROUP,
        ),
    },
)
RAY_JOB = closed(
    [],
    clusterSelector={"type": "object", "additionalProperties": TEXT},
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
    entrypoint=TEXT,
)
SCHEMAS = {"RayCluster": RAY_CLUSTER, "RayJob": RAY_JOB}


def check_resource(document: dict[str, Any]) -> None:
    spec = SCHEMAS[document["kind"]]
    version, kind = {"const": "ray.io/v1"}, {"const": document["kind"]}
    whole = closed(
        ["apiVersion", "kind", "metadata", "spec"], apiVersion=version, kind=kind, metadata=METADATA, spec=spec
    )
    jsonschema.validate(document, whole)


@pytest.fixture
def objects() -> dict[str, dict[str, Any]]:
    return documents("kuberay.yaml")


def groups(objects: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    spec = objects["RayCluster"]["spec"]
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def containers(objects: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for group in groups(objects):
        yield from group["template"]["spec"]["containers"]
        yield from group["template"]["spec"].get("initContainers", ())


def as_pod(group: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": group["template"]["spec"]}


def test_objects(objects: dict[str, dict[str, Any]]) -> None:
    assert {kind: each["metadata"] for kind, each in objects.items()} == {
        kind: {"name": "rac-ray"} for kind in ("PersistentVolumeClaim", "NetworkPolicy", "RayCluster", "RayJob")
    }
    for kind in ("PersistentVolumeClaim", "NetworkPolicy"):
        kubernetes_validate.validate(objects[kind], KUBERNETES, strict=True)
    for group in groups(objects):
        kubernetes_validate.validate(as_pod(group), KUBERNETES, strict=True)
    for kind in SCHEMAS:
        check_resource(objects[kind])


def test_misspelt_fields_are_noticed(objects: dict[str, dict[str, Any]]) -> None:
    pod = as_pod(groups(objects)[0])
    pod["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="'volumeMount' was unexpected"):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    objects["RayCluster"]["spec"]["workerGroupSpecs"][0]["maxReplica"] = 4
    with pytest.raises(jsonschema.ValidationError, match="'maxReplica' was unexpected"):
        check_resource(objects["RayCluster"])
    objects["RayJob"]["spec"]["entryPoint"] = "python"
    with pytest.raises(jsonschema.ValidationError, match="'entryPoint' was unexpected"):
        check_resource(objects["RayJob"])


def test_ray_reads_it(objects: dict[str, dict[str, Any]]) -> None:
    cluster = objects["RayCluster"]
    # The API server adds the namespace.
    cluster["metadata"]["namespace"] = "default"
    config = derive(cluster)
    types = {
        name: (each["min_workers"], each["max_workers"], each["resources"])
        for name, each in config["available_node_types"].items()
    }
    assert types == {
        "headgroup": (0, 0, {"CPU": 8, "memory": 32 * GIB}),
        "a100": (0, 4, {"CPU": 88, "GPU": 8, "memory": 600 * GIB}),
    }
    assert config["max_workers"] == 4
    assert config["idle_timeout_minutes"] == 10


def test_nobody_is_root(objects: dict[str, dict[str, Any]]) -> None:
    for group in groups(objects):
        pod = group["template"]["spec"]
        assert {key: pod["securityContext"][key] for key in ("runAsNonRoot", "runAsUser")} == {
            "runAsNonRoot": True,
            "runAsUser": 1000,
        }
        assert {"hostNetwork", "hostPID", "hostIPC"} & pod.keys() == set()
    options = objects["RayCluster"]["spec"]["autoscalerOptions"]
    for container in [*containers(objects), options]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_nothing_is_published_and_a_token_is_asked_for(objects: dict[str, dict[str, Any]]) -> None:
    spec = objects["RayCluster"]["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert all("hostPort" not in port for container in containers(objects) for port in container.get("ports", []))
    policy = objects["NetworkPolicy"]["spec"]
    selector = objects["RayJob"]["spec"]["clusterSelector"]
    assert policy["podSelector"] == {"matchLabels": selector}
    pods, operator = policy["ingress"]
    assert pods == {"from": [{"podSelector": {"matchLabels": selector}}]}
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]


def test_storage_and_size_of_the_cluster(objects: dict[str, dict[str, Any]]) -> None:
    head, worker = (group["template"]["spec"] for group in groups(objects))
    environment = {each["name"]: each["value"] for each in head["containers"][0]["env"]}
    assert environment == {
        "RAC_RAY_STORAGE": "/shared/rac_ray",
        "RAC_RAY_NUM_GPUS": "32",
        "RAY_PROMETHEUS_HOST": "http://127.0.0.1:9090",
        "RAY_GRAFANA_HOST": "http://127.0.0.1:3000",
        "RAY_GRAFANA_IFRAME_HOST": "http://localhost:3000",
    }
    claim = {"claimName": objects["PersistentVolumeClaim"]["metadata"]["name"]}
    for pod in (head, worker):
        assert pod["containers"][0]["volumeMounts"] == [{"name": "shared", "mountPath": "/shared"}]
        assert pod["volumes"][0] == {"name": "shared", "persistentVolumeClaim": claim}
    assert objects["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_prometheus_and_grafana_read_what_is_written_beside_them(objects: dict[str, dict[str, Any]]) -> None:
    """On the head alone, from a folder that the pod's containers share, on its loopback."""
    head, worker = (group["template"]["spec"] for group in groups(objects))
    assert "initContainers" not in worker
    assert len(worker["containers"]) == 1
    configure, _, prometheus, grafana = [*head["initContainers"], *head["containers"]]
    python, script, folder, *_ = configure["command"]
    assert python == "python"
    assert (PROJECT / script).is_file()
    assert f"COPY --chown=1000:100 {script.rpartition('/')[0]} ./{script.rpartition('/')[0]}" in DOCKERFILE
    assert f"--config.file={folder}/prometheus.yml" in prometheus["args"]
    assert "--web.listen-address=127.0.0.1:9090" in prometheus["args"]
    assert f"--config={folder}/grafana/grafana.ini" in grafana["args"]
    assert all(re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", each["image"]) for each in (prometheus, grafana))
    for container in (configure, prometheus, grafana):
        assert {"name": "monitoring", "mountPath": folder} in container["volumeMounts"]
    volumes = {volume.pop("name"): volume for volume in head["volumes"]}
    assert volumes["monitoring"] == {"emptyDir": {}}
    assert volumes["token"] == {"secret": {"secretName": objects["RayCluster"]["metadata"]["name"]}}


def test_image_has_the_pinned_ray_and_the_project(objects: dict[str, dict[str, Any]]) -> None:
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    image = load("a100.yaml")["docker"]["worker_image"]
    assert lines[0] == f"FROM {image}"
    assert f"rayproject/ray:{objects['RayCluster']['spec']['rayVersion']}-py311-gpu" == image
    setup = load("a100.yaml")["setup_commands"]
    wanted = [shlex.split(command.split("pip install --quiet ")[1]) for command in setup if "pip install" in command]
    wanted[0] = [word.replace("~/rac_ray/", "") for word in wanted[0]]
    installs = [line.removeprefix("RUN pip install --no-cache-dir ") for line in lines if line.startswith("RUN ")]
    assert [shlex.split(install) for install in installs] == wanted
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[2:-1]]
    assert [name for name in copied if not (PROJECT / name).exists()] == []
    assert {"constraints.txt", "pyproject.toml", "rac_ray", "sweeps"} <= set(copied)


def test_job_runs_a_sweep_of_the_image(objects: dict[str, dict[str, Any]]) -> None:
    python, script, *options = shlex.split(objects["RayJob"]["spec"]["entrypoint"])
    folder = re.findall(r"^WORKDIR (.+)$", DOCKERFILE, re.MULTILINE)
    assert [python, *options] == ["python", "--preset", "paper"]
    assert (PROJECT / script.removeprefix(f"{folder[0]}/")).is_file()
