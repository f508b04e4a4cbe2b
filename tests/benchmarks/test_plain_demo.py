from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmarks.plain import optimiser_of
from benchmarks.plain_demo import EVALUATIONS, rate_of, run, trainings_of
from rac_ray.identity import Recipe
from rac_ray.studies.temporal_shape.domains import DIRECTIONS
from rac_ray.studies.temporal_shape.grid import DEMO
from rac_ray.training.optimisers import optimiser_of as training_optimiser_of
from rac_ray.training.optimisers import schedule_of


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_tiny_grid_ends_with_every_part_evaluated(tmp_path: Path) -> None:
    few = {"train_clips": 16, "val_clips": 8, "test_clips": 4}
    tiny = replace(DEMO, models=("timesformer1",), hidden_units=(2,), seeds=(42,), **few)
    grid = replace(tiny, recipes={"timesformer1": Recipe(batch_size=8, max_epochs=2)})
    table = run(grid, tmp_path / "plain", torch.device("cpu"))
    direction = DIRECTIONS["2dot"]
    assert (table["target"] + "/" + table["split"]).tolist() == list(direction.evaluations)
    assert table["role"].tolist() == list(direction.evaluations.values())
    assert table["clips"].tolist() == [8, 4, 4, 4, 4, 4]
    assert bool((table["correct"] <= table["clips"]).all())
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "plain" / EVALUATIONS), table)


def test_the_trainings_of_the_demo() -> None:
    trainings = trainings_of(DEMO, "32")
    assert len({training.training_id for training in trainings}) == 12
    assert [training.name for training in trainings[:3]] == [
        "convlstm h=4 2dot seed=42",
        "convlstm h=4 2dot seed=61",
        "convlstm h=4 2dot seed=47",
    ]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_rates_are_those_of_the_recipe(schedule: Any) -> None:
    recipe = Recipe(learning_rate=0.1, optimiser="adamw", schedule=schedule, warm_up=0.5, max_epochs=3)
    models = [torch.nn.Linear(1, 1) for _ in range(2)]
    plain, ours = optimiser_of(models[0], recipe), training_optimiser_of(models[1], recipe, on_gpu=False)
    rate, scheduled = rate_of(plain, recipe, 10), schedule_of(ours, recipe, 10)["scheduler"]
    for _ in range(30):
        assert plain.param_groups[0]["lr"] == pytest.approx(ours.param_groups[0]["lr"], abs=1e-3)
        for each in (plain, ours, rate, scheduled):
            each.step()
