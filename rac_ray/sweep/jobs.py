"""Hand a sweep to a running cluster through Ray Jobs and leave; ask after it, stop it, read what it says.

On a cluster with token authentication the client sends the token of ``RAY_AUTH_TOKEN``, of the file that
``RAY_AUTH_TOKEN_PATH`` names, or of ``~/.ray/auth_token``, in this order, and only under ``RAY_AUTH_MODE=token``.
"""

import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.sweep.program import Program
from rac_ray.sweep.provenance import COMMIT, commit

JOB_FILE = "job.json"
DASHBOARDS = ("http://", "https://")
"""How the URL of a dashboard begins; Ray's client would load a module by any other beginning."""
EXCLUDES = (
    ".git",
    ".venv",
    ".venv-minimum",
    "/data",
    "/results",
    "__pycache__",
    "*.egg-info",
    ".pytest_cache",
    ".ruff_cache",
)
"""What stays behind of a working directory, in the manner of ``.gitignore``, which Ray heeds, too."""
ENVIRONMENT = {"RAY_JOB_STOP_WAIT_TIME_S": "60"}
"""Variables of every job: Ray's three seconds from SIGTERM to SIGKILL are too few to put things in order."""
GOING = (JobStatus.PENDING, JobStatus.RUNNING)
_UNKNOWN = "unknown to the cluster"
POLL_SECONDS = 0.5
_CONNECT_SECONDS, _ANSWER_SECONDS, _ACTION_SECONDS = 5, 10, 30
"""Ray's client has no limits of its own. A head waits ten seconds for its job agent before it refuses a job."""
_NO_AGENT, _AGENT_SECONDS = "No available agent", 60
"""What a head says that has just come up, or is busy, and for how long a job is handed over again after that."""
ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Ray's client prefers them to the address that it is given."""


@dataclass(frozen=True)
class SubmittedJob:
    """A sweep that was handed over; kept as ``job.json`` in its folder."""

    address: str
    """URL of the cluster's dashboard."""
    job_id: str
    """Ray's submission id, as in ``ts_grid-20261122-224501-ab12``."""
    entrypoint: str
    submitted_at: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def submit_job(
    address: str,
    program: Program,
    arguments: Sequence[str],
    *,
    folder: Storage,
    environment: Mapping[str, str] = {},
) -> SubmittedJob:
    """Run ``program`` with ``arguments`` on the cluster, and return at once.

    Of a script the cluster gets a copy of its working folder. Ray puts the copy on ``PYTHONPATH`` of the driver and of
    all workers, so that packages in it need not be installed there; ``python`` is the one on the ``PATH`` that the
    cluster was started with. Of a command that is installed it gets nothing: it needs the same on that ``PATH``.
    Everybody who sees the dashboard sees ``environment``. Raises BadInput for an address that is no dashboard's URL or
    does not answer within seconds, for a script outside of its working folder, for a folder that cannot be written,
    and when the cluster refuses the job.
    """
    if not address.startswith(DASHBOARDS):
        raise BadInput(f"--submit {address!r} is not a dashboard's URL; valid: as in http://127.0.0.1:8265")
    entrypoint = program.entrypoint(arguments)
    folder.require_room(0)
    now = time.gmtime()
    job = SubmittedJob(
        address=address,
        job_id=f"{program.name}-{time.strftime('%Y%m%d-%H%M%S', now)}-{uuid.uuid4().hex[:4]}",
        entrypoint=entrypoint,
        submitted_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
    )
    with _cluster(address) as client:
        _hand_over(
            client,
            entrypoint=job.entrypoint,
            submission_id=job.job_id,
            runtime_env=_runtime_env(program, environment),
            metadata={"job_name": program.name},
        )
    folder.write_json(JOB_FILE, job.as_dict())
    return job


def _hand_over(client: JobSubmissionClient, **job: Any) -> None:
    """Submit a job, again and again while the cluster has nobody yet to take it."""
    deadline = time.monotonic() + _AGENT_SECONDS
    while True:
        try:
            client.submit_job(**job)
        except RuntimeError as error:
            if _NO_AGENT not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


def _runtime_env(program: Program, environment: Mapping[str, str]) -> dict[str, Any]:
    """A script's folder and commit go with its job; what is installed on the cluster knows its own."""
    if program.working_dir is None:
        return {"env_vars": {**ENVIRONMENT, **environment}}
    return {
        "working_dir": str(program.working_dir),
        "excludes": list(EXCLUDES),
        "env_vars": {**ENVIRONMENT, COMMIT: commit(), **environment},
    }


def last_job(folder: Storage) -> SubmittedJob | None:
    """The job that a sweep's folder remembers; None when the sweep was never handed over, or the file is not whole."""
    job = folder.read_as(JOB_FILE, SubmittedJob)
    return job if job and job.address.startswith(DASHBOARDS) else None


def job_status(job: SubmittedJob) -> str:
    """Ray's word for where the job stands (PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED), or why nobody can tell."""
    try:
        with _cluster(job.address) as client:
            return client.get_job_status(job.job_id).value
    except _Forgotten:
        return _UNKNOWN
    except BadInput as error:
        return f"unreachable: {error}"


def stop(job: SubmittedJob) -> bool:
    """Tell Ray to end the job, and return at once; False when there is nothing to end, which ``job_status`` explains.

    Ray sends SIGTERM to the driver and its child processes, and SIGKILL to what is left of them a minute later.
    """
    try:
        with _cluster(job.address) as client:
            return client.stop_job(job.job_id)
    except BadInput:
        return False


def logs(job: SubmittedJob) -> str:
    """All that the job has printed. Raises BadInput when the cluster cannot be asked or does not know the job."""
    with _cluster(job.address) as client:
        return client.get_job_logs(job.job_id)


def wait(job: SubmittedJob, timeout: float) -> str:
    """The job's status once it is neither PENDING nor RUNNING, or after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while (said := job_status(job)) in GOING and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return said


class _Forgotten(BadInput):
    """The cluster answers and has no such job: it is another one by now, or dropped its oldest jobs."""


class _Client(JobSubmissionClient):
    """Ray's client, with a limit on how long it waits for the cluster."""

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        answer = _ANSWER_SECONDS if method == "GET" else _ACTION_SECONDS
        return super()._do_request(method, endpoint, timeout=(_CONNECT_SECONDS, answer), **options)


@contextmanager
def _cluster(address: str) -> Iterator[JobSubmissionClient]:
    """A client of the cluster at ``address`` and no other; what fails inside raises BadInput, or _Forgotten."""
    failures = (OSError, RuntimeError, ValueError, LookupError, RayError)
    elsewhere = {name: os.environ.pop(name) for name in ADDRESS_VARIABLES if name in os.environ}
    try:
        try:
            client = _Client(address)
        except failures as error:
            raise BadInput(f"no Ray cluster answers at {address}: {_reason(error)}") from error
        try:
            yield client
        except failures as error:
            kind = _Forgotten if "status code 404" in str(error) else BadInput
            raise kind(f"the Ray cluster at {address} refuses: {_reason(error)}") from error
    finally:
        os.environ.update(elsewhere)


def _reason(error: Exception) -> str:
    """The line of a message that says most: the last one when the cluster sends a traceback, else the first."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if "Traceback" in lines[0] else 0]
