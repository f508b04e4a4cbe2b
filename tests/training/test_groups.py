"""One, two, three and four workers train every model to the same numbers, in real worker groups (gloo)."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
from ray import train
from ray.train.torch import TorchTrainer

from rac_ray.data.feed import Place
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe, Training
from rac_ray.models import MODELS, build_model
from rac_ray.store.files import LAST_CHECKPOINT
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.sweep.stages import Group
from rac_ray.sweep.worker import group_of_workers
from rac_ray.training import progress
from rac_ray.training.evaluate import predict
from tests.training.fitting import fitted

RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=2, patience=2, precision="32")
"""Of three workers, two have three clips of a step and one has two."""
Parts = tuple[Clips, Clips]
"""Training and validation."""


def trained(model: str, parts: Parts, folder: Path, group: Group) -> None:
    """Fit a model with h=4; rank 0 leaves the rows, and what each epoch's weights say of the validation clips."""
    torch.set_num_threads(1)
    progress.CHECKPOINT_SECONDS = 0.0
    val, logits = parts[1], []

    def reported(row: dict[str, Any]) -> None:
        if group.leads:
            weights = torch.load(folder / LAST_CHECKPOINT, weights_only=True)["state_dict"]
            plain = build_model(model, 4)
            plain.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()})
            batch = torch.tensor(val.frames).unsqueeze(2), torch.tensor(val.labels)
            logits.append(predict(plain, [batch], device=torch.device("cpu")))
        group.report(row)

    training = Training(model, 4, "2dot", 0, RECIPE, "test-data")
    result = fitted(training, *parts, folder, group.place, report=reported, **group.lightning)
    if group.leads:
        torch.save({"rows": result.epochs, "logits": np.stack(logits)}, folder / "found.pt")


def in_a_group(models: Sequence[str], parts: Parts, folder: Path, _config: Any = None) -> None:
    """What each rank runs: one model after the other, each with a group's plugins of its own."""
    for model in models:
        trained(model, parts, folder / model, group_of_workers())


@pytest.fixture(scope="module", autouse=True)
def four_cpus() -> Iterator[None]:
    ray.init("local", num_cpus=4, object_store_memory=200_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def parts(make_clips: Callable[..., Clips]) -> Parts:
    return make_clips(35), make_clips(13, "2dot/val")


@pytest.fixture(scope="module")
def alone(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """What a model comes to in one process; each is trained once."""
    folder = tmp_path_factory.mktemp("alone")

    @cache
    def of(model: str) -> dict[str, Any]:
        (folder / model).mkdir()
        trained(model, parts, folder / model, Group(Place(), lambda _row: None))
        return found_in(folder, model)

    return of


def found_in(folder: Path, model: str) -> dict[str, Any]:
    return torch.load(folder / model / "found.pt", weights_only=False)


@pytest.mark.parametrize(
    ("workers", "models"),
    [
        (3, Grid.models),
        *(pytest.param(count, MODELS, marks=pytest.mark.slow, id=f"{count}-all") for count in (2, 3, 4)),
    ],
)
def test_workers_train_as_one_does(
    workers: int, models: Sequence[str], parts: Parts, alone: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    """Only sums are rounded otherwise: logits within 1e-4 after an epoch, and 1e-3 after two."""
    TorchTrainer(
        partial(in_a_group, tuple(models), parts, tmp_path),
        scaling_config=train.ScalingConfig(num_workers=workers),
        run_config=train.RunConfig(storage_path=str(tmp_path / "ray")),
    ).fit()
    for model in models:
        together, single = found_in(tmp_path, model), alone(model)
        for epoch, tolerance in enumerate((1e-4, 1e-3)):
            row, expected = (found["rows"][epoch] for found in (together, single))
            assert row["clips"] == expected["clips"] == 32 + 13
            for name in ("train_loss", "train_top1", "val_loss", "val_top1"):
                assert row[name] == pytest.approx(expected[name], rel=10 * tolerance), (model, epoch, name)
            off = np.abs(together["logits"][epoch] - single["logits"][epoch]).max()
            assert off < tolerance, (model, epoch)
