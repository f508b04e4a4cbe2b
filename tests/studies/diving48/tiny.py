"""A study of a few drawn clips that takes seconds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rac_ray.data.generate import generate
from rac_ray.data.masks import HEIGHT, WIDTH, rows_of, write_masks
from rac_ray.identity import Recipe
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.studies.diving48.feed import official_places
from rac_ray.studies.diving48.grid import DivingGrid
from rac_ray.studies.diving48.sizes import Experiment, Size
from rac_ray.studies.diving48.study import Diving48
from rac_ray.sweep.planner import Plan, make_plan
from tests.data.diving_files import write_download

RECIPE = Recipe(learning_rate=0.05, batch_size=8, max_epochs=3, patience=3)
LEVELS = (0.01, 0.9)


def tiny_data(folder: Path) -> Storage:
    """Forty clips of the train list, four of them for validation, and three of the test list with masks."""
    official = write_download(folder / "official" / "diving48", train=40, test=3, videos=True)
    data = Storage.at(folder / "data")
    generate(data, OfficialVideos.at(official, clips_per_shard=5))
    soft = np.zeros((1, HEIGHT, WIDTH), np.float32)
    soft[0, 100:200, 150:300] = 0.9
    box = np.array([[150, 100, 300, 200]], np.float32)
    tests = [place.clip_id for place in official_places(data, "test")]
    rows = [row for clip in tests for frame in range(32) for row in rows_of(clip, frame, soft, [0.9], box)]
    write_masks(data, "masks.parquet", rows)
    return data


def tiny_plan(data: Storage, storage: Path, **changes: Any) -> Plan:
    """One training with two levels on ``tiny_data``, the grid's fields replaced by ``changes``."""
    grid = DivingGrid(
        experiments={
            "a": Experiment(LEVELS[0], {"timesformer": "tiny"}),
            "b": Experiment(LEVELS[1], {"timesformer": "tiny"}),
        },
        sizes={"tiny": Size("timesformer1", 4, {"depth": 1})},
        recipe=RECIPE,
        domains=("original", "s1", "t"),
        seeds=(42,),
        masks=f"{data.root}/masks.parquet",
        workers=1,
    )
    study = Diving48(presets={"tiny": replace(grid, **changes)}, default_preset="tiny")
    return make_plan(study, "tiny", str(storage), data.root)
