"""A training on clips in memory, without Ray."""

from pathlib import Path
from typing import Any

import torch

from rac_ray.data.feed import Opening, Place
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.shards import Clips
from rac_ray.data.subject import ShardSubject
from rac_ray.identity import Training
from rac_ray.models import Builder
from rac_ray.store.storage import Storage
from rac_ray.training.fit import Fit, fit

SHAPE = (20, 1, 64, 64)


def fitted(
    training: Training, train: Clips, val: Clips, folder: Path, place: Place | None = None, **options: Any
) -> Fit:
    """Fit a training on ``2dot/train`` and ``2dot/val``."""
    place = place or Place()
    build = Builder(training.model, training.hidden_units)
    subject = ShardSubject(build, "2dot/train", "2dot/val", 5, SHAPE, Storage.at(folder))
    recipe = training.recipe
    opening = Opening(training.seed, recipe.batch_size, place, {"2dot/train": train, "2dot/val": val})
    feeds = ClipFeeds(subject, opening)
    weight = place.weight(recipe.batch_size)
    device = torch.device(place.device)
    where = Storage.at(folder)
    return fit(build, recipe, training.seed, feeds.train(), feeds.val(), where, device=device, weight=weight, **options)
