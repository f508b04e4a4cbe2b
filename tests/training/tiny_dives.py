"""A training on a few synthetic dives that takes seconds."""

from pathlib import Path

import numpy as np
from torch import nn

from rac_ray.data.diving_domains import domain_frames
from rac_ray.data.diving_generate import decode_videos
from rac_ray.data.masks import rows_of, write_masks
from rac_ray.data.shape_texture import HEIGHT, WIDTH
from rac_ray.data.streaming import official_places
from rac_ray.models import build_model
from rac_ray.storage import Storage
from rac_ray.training.dives import Dives
from rac_ray.trial import Recipe
from tests.data.diving_files import write_download

RECIPE = Recipe(learning_rate=0.05, batch_size=8, max_epochs=3, patience=3)
LEVELS = (0.01, 0.9)


def small() -> nn.Module:
    """A TimeSformer of one layer: nothing in it is a sum over clips, so rounding differs little between groups."""
    return build_model("timesformer1", 4, num_frames=32, frame_size=224, channels=3, num_classes=48, depth=1)


def tiny_dives(folder: Path) -> Dives:
    """Forty clips of the train list, four of them for validation, and three of the test list with masks."""
    official = write_download(folder / "official" / "diving48", train=40, test=3, videos=True)
    data = Storage.at(folder / "data")
    decode_videos(official, data, clips_per_shard=5)
    soft = np.zeros((1, HEIGHT, WIDTH), np.float32)
    soft[0, 100:200, 150:300] = 0.9
    box = np.array([[150, 100, 300, 200]], np.float32)
    tests = [place.clip_id for place in official_places(data, "test")]
    rows = [row for clip in tests for frame in range(32) for row in rows_of(clip, frame, soft, [0.9], box)]
    write_masks(data, "masks.parquet", rows)
    domains = {name: domain_frames(name, masks=f"{data.root}/masks.parquet") for name in ("original", "s1", "t")}
    return Dives(small, data, Storage("."), 42, LEVELS, domains, RECIPE)
