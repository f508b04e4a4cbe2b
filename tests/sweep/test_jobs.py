"""Jobs on a real Ray with its job server; what is handed over is a small project that is installed nowhere."""

import ast
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import ray

from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.sweep import jobs
from rac_ray.sweep.jobs import JOB_FILE, SubmittedJob, job_status, last_job, logs, stop, submit_job, wait
from rac_ray.sweep.program import Program
from tests.conftest import OBJECT_STORE

ENDS_IN = 60
TELLS = """
import os, sys
from shapes.data import WHAT
print([WHAT, sys.argv[1:], os.environ["COLOUR"], sorted(os.listdir())])
"""
TAKES_ITS_TIME_TO_STOP = """
import signal, sys, time
def end(number, frame):
    time.sleep(4)
    print("in order")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready")
time.sleep(600)
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The dashboard's URL of a local Ray whose ``python`` is the one that runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        context = ray.init(
            "local",
            num_cpus=1,
            object_store_memory=OBJECT_STORE,
            include_dashboard=True,
            dashboard_port=free_port(),
            log_to_driver=False,
        )
        yield f"http://{context.dashboard_url}"
        ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    return Storage.at(tmp_path / "storage" / "sweep")


@pytest.fixture
def hand_over(cluster: str, tmp_path: Path, folder: Storage) -> Callable[..., SubmittedJob]:
    """Submit a script of the project."""
    project = tmp_path / "project"

    def make(code: str, arguments: Sequence[str] = (), **environment: str) -> SubmittedJob:
        files = {
            "shapes/__init__.py": "",
            "shapes/data/__init__.py": "WHAT = 'a sub-package that is called data'",
            "sweeps/my grid.py": code,
            "data/shard": "gigabytes",
            "results/record.json": "gigabytes",
            ".venv/python": "gigabytes",
        }
        for name, content in files.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(content)
        script = project / "sweeps/my grid.py"
        program = Program.of_script(str(script), project)
        return submit_job(cluster, program, arguments, folder=folder, environment=environment)

    return make


@pytest.fixture
def stranger() -> Iterator[str]:
    """A web server that is no Ray's."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.answer(200, b"<html>welcome</html>")

    with serving(Handler) as address:
        yield address


class Quiet(BaseHTTPRequestHandler):
    def answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Takes connections and says nothing."""
    monkeypatch.setattr(jobs, "_ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_a_head_that_has_just_come_up_is_asked_again(folder: Storage) -> None:
    """It has no agent for jobs yet: what Ray 2.60 answers then, twice."""
    answers = [(500, b"No available agent to submit job, please try again later.")] * 2
    answers.append((200, b'{"job_id": "a", "submission_id": "a"}'))
    asked: list[str] = []

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.answer(200, b'{"ray_version": "2.60.0", "version": "4", "session_name": "s"}')

        def do_POST(self) -> None:
            asked.append(self.path)
            self.answer(*answers[len(asked) - 1])

    with serving(Handler) as address:
        job = submit_job(address, Program("grid", ("rac-ray", "ts")), [], folder=folder)
    assert asked == ["/api/jobs/"] * 3
    assert last_job(folder) == job


def job_at(address: str) -> SubmittedJob:
    return SubmittedJob(address, "grid-20261122-224501-ab12", "python sweeps/grid.py", "2026-11-22T22:45:01Z")


def test_environment_arguments_and_packages_arrive(hand_over, cluster: str, folder: Storage) -> None:
    arguments = ["--only", "model=a|b,h<=8", 'it\'s "quoted"', "", "$HOME *"]
    job = hand_over(TELLS, arguments, COLOUR="light blue")
    assert re.fullmatch(r"my grid-\d{8}-\d{6}-[0-9a-f]{4}", job.job_id)
    assert job.address == cluster
    assert last_job(folder) == job
    assert wait(job, ENDS_IN) == job_status(job) == "SUCCEEDED"
    told = ast.literal_eval(logs(job).splitlines()[-1])
    assert told == ["a sub-package that is called data", arguments, "light blue", ["shapes", "sweeps"]]
    assert not stop(job)


def test_a_job_is_left_at_once_and_has_time_to_stop(hand_over) -> None:
    """Four seconds, one more than Ray allows by itself."""
    job = hand_over(TAKES_ITS_TIME_TO_STOP)
    assert job_status(job) in ("PENDING", "RUNNING")
    deadline = time.monotonic() + ENDS_IN
    while "ready" not in logs(job) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert wait(job, 0) == "RUNNING"
    assert stop(job)
    assert wait(job, ENDS_IN) == "STOPPED"
    assert "in order" in logs(job)


def test_a_script_that_fails(hand_over) -> None:
    job = hand_over("raise SystemExit('all is lost')")
    assert wait(job, ENDS_IN) == "FAILED"
    assert "all is lost" in logs(job)


def test_a_sweep_of_this_repository_is_a_job(cluster: str, repository: Path, tmp_path: Path, folder: Storage) -> None:
    arguments = ["clean", "--preset", "demo", "--storage", str(tmp_path)]
    program = Program.of_script(str(repository / "sweeps/ts_grid.py"))
    job = submit_job(cluster, program, arguments, folder=folder)
    assert wait(job, ENDS_IN) == "SUCCEEDED", logs(job)
    assert "0 files, 0.0 MB to free" in logs(job)


def test_an_installed_command_is_a_job_to_which_nothing_is_uploaded(
    cluster: str, tmp_path: Path, folder: Storage
) -> None:
    """It is found on the ``PATH`` of the cluster."""
    arguments = ["clean", "--preset", "demo", "--storage", str(tmp_path)]
    job = submit_job(cluster, Program("ts_grid", ("rac-ray", "ts")), arguments, folder=folder)
    assert (job.entrypoint, job.job_id[:8]) == (f"rac-ray ts clean --preset demo --storage {tmp_path}", "ts_grid-")
    assert wait(job, ENDS_IN) == "SUCCEEDED", logs(job)
    assert "0 files, 0.0 MB to free" in logs(job)


def test_the_last_job_counts(hand_over, folder: Storage) -> None:
    assert last_job(folder) is None
    first, second = hand_over(""), hand_over("")
    assert first.job_id != second.job_id
    assert last_job(folder) == second
    assert [wait(job, ENDS_IN) for job in (first, second)] == ["SUCCEEDED", "SUCCEEDED"]


def test_the_address_that_is_given_counts(hand_over, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray by itself goes where these variables say, whatever it is told."""
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.setenv(name, nowhere)
    job = hand_over("")
    assert wait(job, ENDS_IN) == "SUCCEEDED"
    assert os.environ["RAY_ADDRESS"] == os.environ["RAY_API_SERVER_ADDRESS"] == nowhere


def test_a_job_that_the_cluster_does_not_know(cluster: str) -> None:
    job = job_at(cluster)
    assert job_status(job) == wait(job, ENDS_IN) == "unknown to the cluster"
    assert not stop(job)
    with pytest.raises(BadInput, match=r"^the Ray cluster at http://.* refuses: .*grid-20261122-224501-ab12"):
        logs(job)


@pytest.mark.parametrize("who", ["nowhere", "stranger", "silent"])
def test_nobody_takes_jobs_there(
    who: str, request: pytest.FixtureRequest, repository: Path, folder: Storage, tmp_path: Path
) -> None:
    address = request.getfixturevalue(who)
    sentence = f"no Ray cluster answers at {address}: "
    with pytest.raises(BadInput, match=f"^{sentence}[^\n]+$"):
        submit_job(address, Program.of_script(str(repository / "sweeps/ts_grid.py")), [], folder=folder)
    assert list(tmp_path.iterdir()) == []
    job = job_at(address)
    assert job_status(job).startswith(f"unreachable: {sentence}")
    assert not stop(job)
    with pytest.raises(BadInput, match=sentence):
        logs(job)


@pytest.mark.parametrize("address", ["auto", "", "127.0.0.1:8265", "ray://127.0.0.1:10001"])
def test_an_address_that_is_no_dashboards(address: str, repository: Path, folder: Storage) -> None:
    with pytest.raises(BadInput, match=f"^--submit '{address}' is not a dashboard's URL; valid: as in http://127"):
        submit_job(address, Program.of_script(str(repository / "sweeps/ts_grid.py")), [], folder=folder)


def test_a_script_that_the_cluster_does_not_get(nowhere: str, repository: Path, tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    for script in (Path(__file__), repository / "sweeps/nothing.py"):
        with pytest.raises(BadInput, match=rf"{script.name}' is not a file below '.*/sweeps', which is what the clust"):
            submit_job(nowhere, Program.of_script(str(script), repository / "sweeps"), [], folder=storage)


def test_a_folder_that_cannot_be_written_is_told_before(hand_over, tmp_path: Path) -> None:
    (tmp_path / "storage").write_text("")
    with pytest.raises(BadInput, match="cannot be written: "):
        hand_over("")


def test_a_job_is_what_its_file_says(tmp_path: Path) -> None:
    job, folder = job_at("http://127.0.0.1:8265"), Storage.at(tmp_path)
    folder.write_json(JOB_FILE, job.as_dict())
    assert last_job(folder) == job != replace(job, job_id="another")


@pytest.mark.parametrize("content", [b"{}", b"[]", b"\xff\x00", b'{"address": 7}', b""])
def test_a_file_that_is_no_job_is_none(content: bytes, tmp_path: Path) -> None:
    Storage.at(tmp_path).write_bytes(JOB_FILE, content)
    assert last_job(Storage.at(tmp_path)) is None


@pytest.mark.parametrize("address", ["", "auto", "a.module://inside", "ray://127.0.0.1:10001"])
def test_a_job_elsewhere_than_at_a_dashboard_is_none(address: str, tmp_path: Path) -> None:
    """Ray's client would import what stands before ``://``."""
    Storage.at(tmp_path).write_json(JOB_FILE, job_at(address).as_dict())
    assert last_job(Storage.at(tmp_path)) is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [("", "RuntimeError"), (" \n", "RuntimeError"), ("no\nyes", "no"), ("Traceback (most\n  File\nE: why\n", "E: why")],
)
def test_the_line_that_says_most(said: str, reason: str) -> None:
    assert jobs._reason(RuntimeError(said)) == reason
