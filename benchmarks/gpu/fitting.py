"""The product's own ``fit`` and ``fit_stack`` on clips in memory, called as a sweep's worker calls them."""

from collections.abc import Mapping, Sequence
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
from rac_ray.training.fit_stack import Seat

TRAIN, VAL = "2dot/train", "2dot/val"
"""What every fit reads."""
SEED = 0


def precision_of(device: torch.device) -> str:
    """What a sweep trains in on a device unless somebody says otherwise."""
    return precision_on(gpus=device.type == "cuda")


def feeds_of(
    parts: Mapping[str, Clips], model: str, hidden_units: int, batch: int, place: Place, seed: int = SEED
) -> ClipFeeds:
    """Clips in memory by ``domain/split``, as a worker at ``place`` reads them."""
    subject = subject_of(model, hidden_units, DIRECTIONS["2dot"], Storage(""))
    return ClipFeeds(subject, Opening(seed, batch, place, parts))


def fitted(
    model: str,
    hidden_units: int,
    recipe: Recipe,
    parts: Mapping[str, Clips],
    folder: Storage,
    place: Place,
    seed: int = SEED,
    **options: Any,
) -> Fit:
    """Fit on ``TRAIN`` and ``VAL`` of ``parts``; ``options`` are those of ``fit``."""
    feeds = feeds_of(parts, model, hidden_units, recipe.batch_size, place, seed)
    return fit(
        feeds.subject.build,
        recipe,
        seed,
        feeds.train(),
        feeds.val(),
        folder,
        device=torch.device(place.device),
        scaled=feeds.subject.scaled,
        weight=place.weight(recipe.batch_size),
        **options,
    )


def seats_of(
    model: str,
    hidden_units: int,
    recipe: Recipe,
    parts: Mapping[str, Clips],
    folder: Storage,
    place: Place,
    seeds: Sequence[int],
    **options: Any,
) -> list[Seat]:
    """Seeds of a training for ``fit_stack``, each with a folder of its own; ``options`` are those of ``Seat``."""
    seats = []
    for seed in seeds:
        feeds = feeds_of(parts, model, hidden_units, recipe.batch_size, place, seed)
        seats.append(Seat(feeds.subject.build, seed, feeds.train(), feeds.val(), folder.below(str(seed)), **options))
    return seats
