"""A sweep on a Ray with a dashboard, as a job, with Prometheus and Grafana beside it: fixtures to import."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.sweep.jobs import GOING, SubmittedJob, job_status, logs, stop, submit_job, wait
from rac_ray.sweep.program import Program
from tests.conftest import OBJECT_STORE

SCRIPT = """
import os
from pathlib import Path
from rac_ray.cli.exits import run_command
from rac_ray.identity import Recipe
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.sweep.faults import takes_its_time
from tests.sweep.tiny_sweep import tiny_plan

endless = Recipe(learning_rate=0.01, batch_size=8, max_epochs=500, patience=500)
plan = tiny_plan(Path(os.environ["FOLDER"]), recipes={"timesformer1": endless})
run_command(lambda: bool(run_plan(plan, Resources(os.environ["RAY_ADDRESS"]), trainable=takes_its_time)))
"""
"""Three seeds on two CPUs, of which no trial ends before the test does."""
ENDS_IN = 120
SEEN_AT = (("localhost", "GRAFANA_PORT"), ("127.0.0.1", "PROMETHEUS_PORT"))
"""By the browser, and by the test."""


@dataclass(frozen=True)
class Watched:
    """Where to look."""

    ray: str
    """URL of Ray's dashboard."""
    grafana: str
    prometheus: str
    job_id: str
    """Submission id of the sweep's job."""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def head(ports: dict[str, int]) -> Iterator[str]:
    """The URL of the dashboard of a Ray, which knows where Prometheus and Grafana will be.

    It has a folder and ports of its own, and a job of it finds no other. Ray's sockets need a short path.
    """
    seen = {
        "RAY_PROMETHEUS_HOST": f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}",
        "RAY_GRAFANA_HOST": f"http://127.0.0.1:{ports['GRAFANA_PORT']}",
        "RAY_GRAFANA_IFRAME_HOST": f"http://localhost:{ports['GRAFANA_PORT']}",
    }
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        own = ["port", "dashboard-agent-listen-port", "ray-client-server-port"]
        options = {"num-cpus": 2, "object-store-memory": OBJECT_STORE, "temp-dir": folder}
        options |= {"dashboard-port": ports["RAY_DASHBOARD_PORT"], **{name: free_port() for name in own}}
        command = ["ray", "start", "--head", "--block", *(f"--{name}={value}" for name, value in options.items())]
        with Path(folder, "log").open("w") as log:
            ray = subprocess.Popen(command, env={**with_our_python(), **seen}, stdout=log, stderr=log)
            try:
                yield f"http://127.0.0.1:{ports['RAY_DASHBOARD_PORT']}"
            finally:
                ray.terminate()
                ray.wait()


def with_our_python() -> dict[str, str]:
    """An environment whose ``python`` is the one that runs the tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@contextmanager
def monitoring(repository: Path, folder: Path, ports: dict[str, int]) -> Iterator[None]:
    """What cluster/monitoring starts; where there is no Grafana, a server in its place."""
    environment = {**with_our_python(), **{name: str(port) for name, port in ports.items()}}
    subprocess.run([repository / "cluster/monitoring/start.sh", folder], env=environment, check=True)
    try:
        with in_place_of_grafana(folder / "grafana/dashboards", ports["GRAFANA_PORT"]):
            yield
    finally:
        subprocess.run([repository / "cluster/monitoring/stop.sh", folder], check=True)


@contextmanager
def in_place_of_grafana(dashboards: Path, port: int) -> Iterator[None]:
    """Says that it is well, as Grafana does, and shows the titles of the dashboard that has the UID asked for."""
    if shutil.which("grafana"):
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/api/health":
                self.answer("application/json", json.dumps({"database": "ok"}))
                return
            found = [json.loads(file.read_text()) for file in dashboards.glob("*.json")]
            titles = [panel["title"] for each in found if each["uid"] == path.split("/")[2] for panel in each["panels"]]
            self.answer("text/html", "".join(f"<p>{title}</p>" for title in titles))

        def answer(self, kind: str, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def watched(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A sweep that two trials of three run of, until the module's tests are over."""
    folder = tmp_path_factory.mktemp("watched")
    ports = {name: free_port() for name in ("RAY_DASHBOARD_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")}
    (folder / "project").mkdir()
    script = folder / "project/tiny.py"
    script.write_text(SCRIPT)
    storage = Storage.at(folder / "job")
    with head(ports) as url, monitoring(repository, folder / "monitoring", ports):
        environment = {"PYTHONPATH": str(repository), "FOLDER": str(folder / "sweep")}
        program, where = Program.of_script(str(script)), {"folder": storage, "environment": environment}
        job = patiently(lambda: submit_job(url, program, [], **where))
        try:
            end = time.monotonic() + ENDS_IN
            while logs(job).count(" start ") < 2:
                assert job_status(job) in GOING, logs(job)
                assert time.monotonic() < end, logs(job)
                time.sleep(1)
            grafana, prometheus = (f"http://{host}:{ports[name]}" for host, name in SEEN_AT)
            yield Watched(url, grafana, prometheus, job.job_id)
        finally:
            stop(job)
            wait(job, ENDS_IN)


def patiently(submitted: Callable[[], SubmittedJob]) -> SubmittedJob:
    """Ray takes a while to start, and its agent, which starts jobs, comes up last."""
    end = time.monotonic() + ENDS_IN
    while True:
        try:
            return submitted()
        except BadInput as error:
            if time.monotonic() > end:
                raise BadInput("the job cannot be handed over") from error
            time.sleep(1)
