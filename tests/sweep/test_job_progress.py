"""A sweep's progress in a real key-value store of Ray; test_dashboard sees it on the Jobs page."""

import json

import pytest
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

from rac_ray.store.entry import STATES, State
from rac_ray.sweep.job_progress import progress_of, submission_id, write_progress

COUNTS: dict[State, int] = {**dict.fromkeys(STATES, 0), "done": 3, "running": 2, "failed": 1, "pending": 34}
PROGRESS = {
    "trials": "3/40 done, 2 running, 1 failed",
    "best": "val top-1 0.912, convlstm h=8 2dot seed=42",
    "time left": "about 12 min left",
}
LINE = "3/40 done, 2 running, 1 failed; best val top-1 0.912, convlstm h=8 2dot seed=42; about 12 min left"
KEY = b"_ray_internal_job_info_grid-1"


def entry() -> dict[str, object]:
    found = _internal_kv_get(KEY, namespace="job")
    return json.loads(found) if found else {}


def store(**changes: object) -> dict[str, object]:
    content = {"status": "RUNNING", "message": "Job is currently running.", "metadata": {"job_name": "grid"}, **changes}
    _internal_kv_put(KEY, json.dumps(content), namespace="job")
    return content


def test_what_is_said() -> None:
    assert progress_of(COUNTS, (0.9123, "convlstm h=8 2dot seed=42"), "about 12 min left") == PROGRESS
    assert progress_of(COUNTS, None, "just begun") == {"trials": PROGRESS["trials"], "time left": "just begun"}


def test_a_driver_knows_its_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert submission_id() == ""
    config = {"runtime_env": {}, "metadata": {"job_submission_id": "grid-1", "job_name": "grid"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))
    assert submission_id() == "grid-1"


def test_a_running_job_says_how_far_it_is(local_ray: None) -> None:
    content = store(driver_node_id="a node")
    write_progress("grid-1", PROGRESS)
    assert entry() == {**content, "message": LINE, "metadata": {"job_name": "grid", **PROGRESS}}
    write_progress("grid-1", {"trials": "4/40 done, 0 running, 1 failed", "time left": "none left"})
    assert entry()["message"] == "4/40 done, 0 running, 1 failed; none left"


@pytest.mark.parametrize("status", ["STOPPED", "FAILED", "SUCCEEDED"])
def test_what_ray_says_of_a_job_that_has_ended_stays(local_ray: None, status: str) -> None:
    content = store(status=status)
    write_progress("grid-1", PROGRESS)
    assert entry() == content


def test_nothing_is_made_of_a_job_that_ray_does_not_know(local_ray: None) -> None:
    write_progress("grid-2", PROGRESS)
    assert _internal_kv_get(b"_ray_internal_job_info_grid-2", namespace="job") is None
