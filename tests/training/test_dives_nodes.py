"""An elastic group on two nodes, one of which is lost while it trains."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from rac_ray.storage import Storage
from rac_ray.training.dives import Dives, Group, train_dives
from rac_ray.identity import Recipe
from tests.training.tiny_dives import RECIPE, tiny_dives

WORKER = {"CPU": 1.0, "place": 1.0}
"""One on a node: without a core that is left for reading clips nothing would go on."""
LONG = Recipe(RECIPE.learning_rate, batch_size=8, max_epochs=10, patience=10)


@pytest.fixture
def cluster():
    """Room for a worker and a task that reads clips on the head, and for a worker on the other node."""
    head = {"num_cpus": 2, "object_store_memory": 200_000_000, "include_dashboard": False, "resources": {"place": 1}}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1, object_store_memory=100_000_000, resources={"place": 1})
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_a_lost_node_shrinks_an_elastic_group(cluster: Cluster, tmp_path: Path) -> None:
    dives = replace(tiny_dives(tmp_path), recipe=LONG)
    alone = trained(dives, tmp_path / "alone", Group(1, WORKER))
    (other,) = cluster.worker_nodes
    log = tmp_path / "elastic/trial/log.txt"

    def lose() -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if (tmp_path / "elastic/trial/last.ckpt").exists():
                cluster.remove_node(other, allow_graceful=False)
                return
            time.sleep(0.1)

    loser = threading.Thread(target=lose)
    loser.start()
    elastic = trained(dives, tmp_path / "elastic", Group((1, 2), WORKER))
    loser.join()
    said = log.read_text()
    assert "rank 0 of 2" in said
    assert "rank 0 of 1" in said.split("rank 0 of 2")[1]
    assert [row["clips"] for row in elastic["epochs"]] == [36] * 10
    for row, expected in zip(elastic["epochs"], alone["epochs"], strict=True):
        assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)
        assert row["val_top1"] == expected["val_top1"]
    assert elastic["levels"] == alone["levels"]


def trained(dives: Dives, folder: Path, group: Group) -> dict[str, Any]:
    train_dives(replace(dives, folder=Storage.at(folder / "trial")), replace(group, scratch=str(folder)))
    return json.loads((folder / "trial/outcome.json").read_text())
