"""The product's own ``fit`` on clips in memory, called as a sweep's worker calls it."""

from collections.abc import Mapping
from typing import Any

import torch

from rac_ray.data.feed import Opening, Place
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import DIRECTIONS
from rac_ray.studies.temporal_shape.study import subject_of
from rac_ray.sweep.planner import precision_on
from rac_ray.training.fit import Fit, fit

TRAIN, VAL = "2dot/train", "2dot/val"
"""What every fit reads."""
SEED = 0


def precision_of(device: torch.device) -> str:
    """What a sweep trains in on a device unless somebody says otherwise."""
    return precision_on(gpus=device.type == "cuda")


def feeds_of(parts: Mapping[str, Clips], model: str, hidden_units: int, batch: int, place: Place) -> ClipFeeds:
    """Clips in memory by ``domain/split``, as a worker at ``place`` reads them."""
    subject = subject_of(model, hidden_units, DIRECTIONS["2dot"], Storage(""))
    return ClipFeeds(subject, Opening(SEED, batch, place, parts))


def fitted(
    model: str,
    hidden_units: int,
    recipe: Recipe,
    parts: Mapping[str, Clips],
    folder: Storage,
    place: Place,
    **options: Any,
) -> Fit:
    """Fit on ``TRAIN`` and ``VAL`` of ``parts``; ``options`` are those of ``fit``."""
    feeds = feeds_of(parts, model, hidden_units, recipe.batch_size, place)
    return fit(
        feeds.subject.build,
        recipe,
        SEED,
        feeds.train(),
        feeds.val(),
        folder,
        device=torch.device(place.device),
        scaled=feeds.subject.scaled,
        weight=place.weight(recipe.batch_size),
        **options,
    )
