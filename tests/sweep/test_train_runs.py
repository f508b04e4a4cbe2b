"""Ray's list of Train runs: trials of several workers are in it by name, where somebody may look."""

import json
import re
from pathlib import Path
from urllib.request import urlopen

import pytest

from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.sweep.session import ray_session
from tests.sweep.tiny_sweep import tiny_plan


@pytest.mark.slow
def test_a_trial_of_two_workers_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_TRAIN_ENABLE_STATE_TRACKING", raising=False)
    plan = tiny_plan(tmp_path, seeds=(0,))
    resources = Resources(num_cpus=2, workers=2, dashboard=True)
    with ray_session(resources, plan.title):
        (url,) = re.findall(r"dashboard: (\S+)", capsys.readouterr().out)
        assert run_plan(plan, resources) == ""
        with urlopen(f"{url}/api/train/v2/runs/v1") as answer:
            (run,) = json.load(answer)["train_runs"]
    training = plan.tasks[0].training
    assert run["name"] == f"{training.name} {training.training_id}-1"
    assert run["status"] == "FINISHED"
    assert [len(attempt["workers"]) for attempt in run["attempts"]] == [2]
