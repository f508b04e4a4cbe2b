"""Shared fixtures: tiny data, and one local Ray per test module that asks for it."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}

import numpy as np
import pytest

from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe, Training
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.sweep.session import RAY_ENVIRONMENT, WORKER_ENVIRONMENT
from rac_ray.training.task import Task
from tests.records import task_of

OBJECT_STORE = 200_000_000
BESIDE = (
    "benchmarks/gpu/test_main.py",
    "benchmarks/test_agreement.py",
    "benchmarks/test_calibration.py",
    "benchmarks/test_curves.py",
    "benchmarks/test_diving48.py",
    "benchmarks/test_plain.py",
    "benchmarks/test_worlds.py",
    "cli/test_command.py",
    "cli/test_completion.py",
    "cli/test_derive.py",
    "cli/test_exits.py",
    "cli/test_headings.py",
    "cli/test_values.py",
    "cli/test_while_loading.py",
    "cluster/",
    "data/test_decoder.py",
    "data/test_decoding.py",
    "data/test_feed.py",
    "data/test_feeding.py",
    "data/test_order.py",
    "data/test_parquet_checks.py",
    "data/test_parquet_rows.py",
    "data/test_resident.py",
    "data/test_source.py",
    "data/test_video_stream.py",
    "docs/test_columns.py",
    "docs/test_commands.py::test_sweep_commands_plan_what_they_say",
    "docs/test_commands.py::test_the_other_verbs_in_their_order",
    "docs/test_generate.py",
    "docs/test_leaderboard.py",
    "docs/test_presets.py",
    "docs/test_sharing.py",
    "examples/test_analysis.py",
    "loggers/test_asked.py",
    "loggers/test_delivery.py",
    "loggers/test_messages.py",
    "loggers/test_mlflow.py",
    "loggers/test_news.py",
    "loggers/test_registry.py",
    "loggers/test_runs.py",
    "loggers/test_tensorboard.py",
    "loggers/test_wandb.py",
    "loggers/test_wandb_files.py",
    "models/",
    "packaging/",
    "results/",
    "segmentation/test_finetune.py",
    "segmentation/test_missing.py",
    "segmentation/test_network.py",
    "segmentation/test_scores.py",
    "store/test_ledger.py",
    "store/test_object_store.py",
    "store/test_record.py",
    "studies/diving48/test_models.py",
    "studies/temporal_shape/",
    "studies/test_facts.py",
    "studies/test_options.py",
    "studies/test_other.py",
    "studies/test_studies.py",
    "studies/test_study.py",
    "sweep/test_acts.py",
    "sweep/test_asked.py",
    "sweep/test_attempt.py",
    "sweep/test_decisions.py",
    "sweep/test_feeds.py",
    "sweep/test_listening.py",
    "sweep/test_outcomes.py",
    "sweep/test_planner.py",
    "sweep/test_program.py",
    "sweep/test_recording.py",
    "sweep/test_remembered.py",
    "sweep/test_resources.py",
    "sweep/test_trials_actor.py",
    "test_architecture.py",
    "test_fuzz_files.py",
    "test_fuzz_given.py",
    "test_fuzz_options.py",
    "test_verbs.py::test_no_verb_gives",
    "test_verbs.py::test_results_",
    "test_verbs.py::test_verbs_",
    "training/test_batch_norm.py",
    "training/test_checkpoints.py",
    "training/test_fit.py",
    "training/test_fit_stack.py",
    "training/test_memory.py",
    "training/test_probe.py",
    "training/test_selection.py",
    "training/test_task.py",
)
"""Tests below this folder that need no Ray of their own and may run beside those that do (``make test``)."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Two Rays on one machine disturb each other: only what starts none is marked ``beside``."""
    if item.nodeid.removeprefix("tests/").startswith(BESIDE):
        item.add_marker(pytest.mark.beside)


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Two CPUs, a small object store, shut down with the module."""
    import ray

    os.environ |= {**WORKER_ENVIRONMENT, **RAY_ENVIRONMENT}
    ray.init("local", num_cpus=2, object_store_memory=OBJECT_STORE, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """URL of a local Ray's dashboard, which is its job server, too."""
    import ray

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # jobs start `python`
        context = ray.init(
            "local",
            num_cpus=2,
            object_store_memory=OBJECT_STORE,
            include_dashboard=True,
            dashboard_port=port,
            log_to_driver=False,
        )
    yield f"http://{context.dashboard_url}"
    ray.shutdown()


@pytest.fixture(scope="session")
def make_clips():
    """Clips of a domain's split, in memory."""

    def make(count: int, part: str = "2dot/train") -> Clips:
        domain, split = part.split("/")
        clips = [make_clip(TemporalShapeSpec(), domain, split, index) for index in range(count)]
        names = [f"{part}/{index:06d}" for index in range(count)]
        return Clips(np.stack([clip.frames for clip in clips]), np.array([clip.label for clip in clips]), names)

    return make


@pytest.fixture
def make_training():
    """A training on 2dot with a short recipe."""

    def make(model: str = "timesformer1", hidden_units: int = 4, seed: int = 0, **recipe: object) -> Training:
        settings = {"batch_size": 8, "max_epochs": 3, "patience": 3, "learning_rate": 0.01, "precision": "32", **recipe}
        return Training(model, hidden_units, "2dot", seed, Recipe(**settings), "test-data")

    return make


@pytest.fixture
def make_task(make_training: Callable[..., Training]):
    """The same, with evaluations on three parts."""

    def make(*given: object, **recipe: object) -> Task:
        return task_of(make_training(*given, **recipe))

    return make


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]
