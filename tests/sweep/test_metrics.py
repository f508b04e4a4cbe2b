"""A sweep's metrics, scraped from a real Ray by a real Prometheus, and every query of the Grafana dashboard."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import ray
from ray.exceptions import ActorDiedError

from rac_ray.identity import Recipe, Training
from rac_ray.store.ledger import DRIVER
from rac_ray.store.lock import living_holder, request_cancel
from rac_ray.sweep import metrics
from rac_ray.sweep.metrics import SweepMetrics
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.conftest import OBJECT_STORE
from tests.sweep.faults import takes_its_time
from tests.sweep.tiny_sweep import tiny_plan

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs a prometheus binary in PATH")

DEADLINE = 30
GPU_SERIES = {"ray_node_gpus_utilization", "ray_node_gram_used", "ray_node_gram_available"}
"""Exist on nodes with a GPU only."""


@pytest.fixture(scope="module")
def scrape_target() -> Iterator[str]:
    """Where the only node of a local Ray shows its metrics; it reports every second, so that a gauge lives for two."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_metrics_report_interval_ms", "1000")  # for the node's processes
        ray.init(
            "local",
            num_cpus=1,
            object_store_memory=OBJECT_STORE,
            include_dashboard=False,
            log_to_driver=False,
            _system_config={"metrics_report_interval_ms": 1000},  # for this one
        )
    node = ray.nodes()[0]
    yield f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"
    ray.shutdown()


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready"):
                return True
        except URLError:
            return False

    def query(self, text: str) -> list[dict[str, Any]]:
        return self._get("query", query=text)["result"]

    def label_values(self, label: str, series: str) -> list[str]:
        return self._get(f"label/{label}/values", **{"match[]": series})

    def _get(self, path: str, **parameters: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}") as answer:
            content = json.load(answer)
        assert content["status"] == "success"
        return content["data"]


@pytest.fixture(scope="module")
def prometheus(scrape_target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that scrapes the node every second."""
    folder = tmp_path_factory.mktemp("prometheus")
    scraping = {"job_name": "ray", "scrape_interval": "1s", "static_configs": [{"targets": [scrape_target]}]}
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scraping]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    running = Prometheus(f"http://{address}")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(running.is_ready)
            yield running
        finally:
            process.terminate()
            process.wait()


def wait_until(true: Callable[[], bool]) -> None:
    """Until it is true; for ``DEADLINE`` seconds at most, after which the caller's assertion says what is missing."""
    end = time.monotonic() + DEADLINE
    while not true() and time.monotonic() < end:
        time.sleep(0.25)


@pytest.fixture
def published(
    make_training: Callable[..., Training], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> SweepMetrics:
    """A sweep named after the test: one trial of each state, three of them with two epochs."""
    monkeypatch.setattr(metrics, "REFRESH_SECONDS", 0)
    sweep = SweepMetrics(request.node.name)
    waiting, running, done, failed = (
        make_training(seed=3),
        make_training("cnn3d", 2),
        make_training(seed=1),
        make_training(seed=2),
    )
    row = {"val_top1": 0.25, "loader_wait_share": 0.125, "gpu_memory_bytes": 1_000_000}
    for training in (waiting, running, done, failed):
        sweep.state(training, "pending")
    for training in (running, done, failed):
        sweep.state(training, "running")
        sweep.epoch(training, {**row, "epoch": 0, "best_val_top1": 0.25, "seconds": 2.0, "clips": 32})
        sweep.epoch(training, {**row, "epoch": 1, "best_val_top1": 0.5, "seconds": 4.0, "clips": 32})
    sweep.state(done, "done")
    sweep.state(failed, "failed")
    return sweep


def test_a_sweep_in_prometheus(prometheus: Prometheus, published: SweepMetrics) -> None:
    def values(series: str, *labels: str) -> dict[tuple[str, ...], float]:
        found = prometheus.query(f'{series}{{sweep="{published.sweep}"}}')
        return {tuple(entry["metric"][label] for label in labels): float(entry["value"][1]) for entry in found}

    def seen() -> dict[str, dict[tuple[str, ...], float]]:
        published.refresh()
        by_trial = {name: values(f"ray_rac_{name}", "model", "h", "seed", "source") for name in expected}
        return {**by_trial, "trial_state": values("ray_rac_trial_state", "seed", "state")}

    running = ("cnn3d", "2", "0", "2dot")
    done, failed = ("timesformer1", "4", "1", "2dot"), ("timesformer1", "4", "2", "2dot")
    expected = {
        "trial_state": {("3", "pending"): 1, ("0", "running"): 1, ("1", "done"): 1, ("2", "failed"): 1},
        "epochs_total": {running: 2, done: 2, failed: 2},
        "best_val_top1": {running: 0.5, done: 0.5, failed: 0.5},
        "loader_wait_share": {running: 0.125},
        "clips_per_second": {running: 8},
        "gpu_memory_bytes": {running: 1_000_000},
    }
    wait_until(lambda: seen() == expected)
    assert seen() == expected


def test_an_epoch_of_no_time_has_no_rate(
    prometheus: Prometheus, published: SweepMetrics, make_training: Callable[..., Training]
) -> None:
    row = {"best_val_top1": 0.5, "loader_wait_share": 0.0, "gpu_memory_bytes": 0}
    published.epoch(make_training("cnn3d", 2), {**row, "seconds": 0.0, "clips": 32})

    def rate() -> list[str]:
        published.refresh()
        query = f'ray_rac_clips_per_second{{sweep="{published.sweep}", model="cnn3d"}}'
        return [entry["value"][1] for entry in prometheus.query(query)]

    wait_until(lambda: rate() == ["0"])
    assert rate() == ["0"]


def test_two_sizes_of_as_many_hidden_units_are_two_series(
    prometheus: Prometheus, make_training: Callable[..., Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``cnn3d-4x128`` and ``cnn3d-6x128``."""
    monkeypatch.setattr(metrics, "REFRESH_SECONDS", 0)
    sweep = SweepMetrics("two sizes")
    sweep.state(replace(make_training("cnn3d", 2), size="small"), "running")
    sweep.state(replace(make_training("cnn3d", 2), size="large"), "pending")

    def states() -> dict[str, str]:
        sweep.refresh()
        found = prometheus.query('ray_rac_trial_state{sweep="two sizes"}')
        return {entry["metric"]["size"]: entry["metric"]["state"] for entry in found}

    wait_until(lambda: len(states()) == 2)
    assert states() == {"small": "running", "large": "pending"}


def test_gauges_live_as_long_as_they_are_refreshed(prometheus: Prometheus, published: SweepMetrics) -> None:
    """Ray forgets what is not set again; the epochs, a counter, stay."""

    def series(name: str) -> int:
        return len(prometheus.query(f'ray_rac_{name}{{sweep="{published.sweep}"}}'))

    def states_refreshed() -> int:
        published.refresh()
        return series("trial_state")

    wait_until(lambda: states_refreshed() == 4)
    assert states_refreshed() == 4
    wait_until(lambda: series("trial_state") == 0)
    assert series("trial_state") == 0
    assert series("epochs_total") == 3
    wait_until(lambda: states_refreshed() == 4)
    assert states_refreshed() == 4


@pytest.fixture
def real_run(scrape_target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A real sweep trains as long as the test looks; then it is cancelled, as by the verb."""
    monkeypatch.setattr(metrics, "REFRESH_SECONDS", 0)
    endless = Recipe(learning_rate=0.01, batch_size=8, max_epochs=500, patience=500)
    plan = tiny_plan(tmp_path, recipes={"timesformer1": endless})
    said: list[str] = []
    run = threading.Thread(target=lambda: said.append(run_plan(plan, Resources(), said.append, takes_its_time)))
    run.start()
    yield
    holder = living_holder(plan.ledger.storage, DRIVER)
    assert holder, said
    request_cancel(plan.ledger.storage, holder)
    run.join()
    assert said[-1].startswith("cancelled by "), said


def test_every_query_of_the_dashboard_during_a_real_run(
    prometheus: Prometheus, real_run: None, repository: Path
) -> None:
    """On a Ray that has lost a worker process, nothing is empty but what only GPU nodes have."""
    lose_an_actor()
    dashboard = json.loads((repository / "cluster/monitoring/dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    for panel in panels:
        assert panel["title"], panel
        assert panel["description"], panel
        assert panel["fieldConfig"]["defaults"]["unit"], panel
    queries = [filled(target["expr"]) for panel in panels for target in panel["targets"]]
    of_gpus = [query for query in queries if GPU_SERIES & set(re.findall(r"\w+", query))]
    assert {series for query in of_gpus for series in GPU_SERIES if series in query} == GPU_SERIES
    for query in of_gpus:
        prometheus.query(query)

    def empty() -> list[str]:
        return [query for query in queries if query not in of_gpus and not prometheus.query(query)]

    wait_until(lambda: not empty())
    assert empty() == []

    def lost() -> list[str]:
        found = prometheus.query("sum(ray_node_manager_unexpected_worker_failure_total)")
        return [entry["value"][1] for entry in found]

    wait_until(lambda: lost() == ["1"])
    assert lost() == ["1"]


def test_the_choices_of_the_dashboard(prometheus: Prometheus, published: SweepMetrics, repository: Path) -> None:
    """What Grafana offers for each template variable."""
    dashboard = json.loads((repository / "cluster/monitoring/dashboard.json").read_text())
    questions = {
        variable["name"]: re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    }

    def choices() -> dict[str, list[str]]:
        published.refresh()
        return {
            name: prometheus.label_values(question[2], question[1].replace("$sweep", published.sweep))
            for name, question in questions.items()
            if question
        }

    expected = {
        "model": ["cnn3d", "timesformer1"],
        "h": ["2", "4"],
        "source": ["2dot"],
        "seed": ["0", "1", "2", "3"],
    }
    wait_until(lambda: expected.items() <= choices().items())
    offered = choices()
    assert published.sweep in offered.pop("sweep")
    assert offered == expected


def filled(query: str) -> str:
    """The query with everything selected, as Grafana sends it."""
    return re.sub(r"\$\w+", ".*", query.replace("$__rate_interval", "30s"))


def lose_an_actor() -> None:
    """Kill the process of an actor of this test's own."""

    @ray.remote(num_cpus=0)
    class Doomed:
        def pid(self) -> int:
            return os.getpid()

    doomed: Any = Doomed.remote()
    os.kill(ray.get(doomed.pid.remote()), signal.SIGKILL)
    with pytest.raises(ActorDiedError):
        ray.get(doomed.pid.remote())
