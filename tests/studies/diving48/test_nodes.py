"""An elastic group on two nodes, one of which is lost while it trains."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from rac_ray.identity import Recipe
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.clusters import two_nodes
from tests.studies.diving48.tiny import RECIPE, tiny_data, tiny_plan

LONG = Recipe(RECIPE.learning_rate, batch_size=8, max_epochs=10, patience=10)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Room for a worker and a task that reads clips on each node."""
    with two_nodes(head_cpus=2, other_cpus=2) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_lost_node_shrinks_an_elastic_group(cluster: Cluster, tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    alone, elastic = (tiny_plan(data, tmp_path / name, recipe=LONG) for name in ("alone", "elastic"))
    assert run_plan(alone, Resources(), lambda _line: None) == ""
    (other,) = cluster.worker_nodes
    folder = elastic.ledger.folder(elastic.tasks[0].training_id)

    def lose() -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if folder.exists("last.ckpt"):
                cluster.remove_node(other, allow_graceful=False)
                return
            time.sleep(0.1)

    loser = threading.Thread(target=lose)
    loser.start()
    assert run_plan(elastic, Resources(workers=2, fewest_workers=1), lambda _line: None) == ""
    loser.join()
    said = folder.read_bytes("log.txt").decode()
    assert "rank 0 of 2" in said
    assert "rank 0 of 1" in said.split("rank 0 of 2")[1]
    records = [plan.ledger.record(plan.tasks[0].training_id) for plan in (alone, elastic)]
    assert records[0]
    assert records[1]
    assert records[1].selected == records[0].selected
    tables = [plan.ledger.table(plan.tasks[0].training_id, "epochs").to_pandas() for plan in (alone, elastic)]
    assert tables[1]["clips"].tolist() == [36] * 10
    assert tables[1]["train_loss"].tolist() == pytest.approx(tables[0]["train_loss"].tolist(), rel=1e-3)
    assert tables[1]["val_top1"].tolist() == tables[0]["val_top1"].tolist()
