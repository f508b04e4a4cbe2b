"""A sweep on a cluster that starts its nodes when trials ask for them: ``python -m tests.cluster.growing FOLDER``.

Ray's own autoscaler with its provider for tests, whose nodes are processes. For a machine of its own, where it may end
every Ray that it sees.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from rac_ray.identity import Recipe
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.sweep import faults
from tests.sweep.tiny_sweep import tiny_plan

WORKERS = 2
HEAD = "ray.head.default"
"""What the provider calls it."""
SMALL = {"CPU": 1, "object_store_memory": 80_000_000}
NO_COMMANDS = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
CLUSTER = {
    **{f"{kind}_commands": [] for kind in NO_COMMANDS},
    **{"auth": {}, "docker": {}, "file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False},
    "cluster_name": "growing",
    "max_workers": WORKERS,
    "upscaling_speed": 10.0,
    "idle_timeout_minutes": 5,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "head_node_type": HEAD,
    "available_node_types": {
        HEAD: {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": SMALL, "node_config": {}, "min_workers": 0, "max_workers": WORKERS},
    },
}
LONG = Recipe(learning_rate=0.01, batch_size=8, max_epochs=30, patience=30)


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "cluster.json").write_text(json.dumps(CLUSTER))
    small = f"--num-cpus=1 --object-store-memory={SMALL['object_store_memory']}"
    head = f"ray start --head --autoscaling-config={folder}/cluster.json {small}"
    fast = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
    subprocess.run(head.split(), env={**os.environ, **fast}, check=True)
    try:
        plan = tiny_plan(folder, seeds=(0, 1, 2, 3, 4, 5), recipes={"timesformer1": LONG})
        resources = Resources(address="auto", num_cpus=1 + WORKERS, pause=0.1)
        assert run_plan(plan, resources, trainable=faults.takes_its_time) == ""
    finally:
        subprocess.run(["ray", "stop", "--force"], check=True)


if __name__ == "__main__":
    main()
