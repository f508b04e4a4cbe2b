"""Seconds of an epoch of the study's size through the product's own ``fit``, validation and bookkeeping included.

The same for several seeds through ``fit_stack``.
"""

import logging
import statistics
import tempfile
from collections.abc import Iterator

import torch

from benchmarks.gpu.clips import clips
from benchmarks.gpu.fitting import TRAIN, VAL, fitted, precision_of, seats_of
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.gpu.steps import start_afresh
from benchmarks.plain import PLAIN_MODELS
from rac_ray.data.feed import Place
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe
from rac_ray.store.storage import Storage
from rac_ray.training.fit import Fit
from rac_ray.training.fit_stack import fit_stack

EPOCHS = 2
"""The first is not counted: it chooses kernels and records graphs."""


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row per size, model, number of seeds, and with or without graphs.

    Without graphs all sizes but the first come last: what is too slow to be used may stay unmeasured.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    train, val = clips("2dot", "train", sizes.epoch_train_clips), clips("2dot", "val", sizes.epoch_val_clips)
    parts = {TRAIN: train, VAL: val}
    first, *others = sizes.timed_hidden_units
    for hidden_units, graphs in [(first, True), (first, False), *((h, g) for g in (True, False) for h in others)]:
        for model in PLAIN_MODELS:
            for seeds in (1, sizes.stacked_seeds):
                key = {"model": model, "hidden_units": hidden_units, "graphs": graphs, "seeds": seeds}
                yield tried(key, lambda key=key: _measured(key, parts, device, sizes.batch))


def _measured(key: Row, parts: dict[str, Clips], device: torch.device, batch: int) -> Row:
    start_afresh(device)
    recipe = Recipe(batch_size=batch, max_epochs=EPOCHS, patience=EPOCHS).resolved(precision_of(device))
    with tempfile.TemporaryDirectory() as scratch:
        fits = _fits(key, recipe, parts, Storage.at(scratch), Place(device=device.type))
    together = [sum(row["seconds"] for row in rows) for rows in zip(*(fit.epochs for fit in fits), strict=True)]
    return {
        "train_clips": len(parts[TRAIN]),
        "val_clips": len(parts[VAL]),
        "seconds": statistics.median(together[1:]) / len(fits),
        "seconds_together": statistics.median(together[1:]),
        "seconds_first": together[0],
        "seconds_to_first_step": fits[0].seconds_to_first_step,
        "precision": recipe.precision,
        "loader_wait_share": fits[0].epochs[-1]["loader_wait_share"],
        "peak_bytes": fits[0].epochs[-1]["gpu_memory_bytes"],
    }


def _fits(key: Row, recipe: Recipe, parts: dict[str, Clips], folder: Storage, place: Place) -> list[Fit]:
    """Of one seed as ``fit`` does it, of several as ``fit_stack`` does."""
    trained = key["model"], key["hidden_units"], recipe, parts, folder, place
    if key["seeds"] == 1:
        return [fitted(*trained, cuda_graphs=key["graphs"])]
    fits: list[Fit] = []
    seats, device = seats_of(*trained, range(key["seeds"])), torch.device(place.device)
    for result in fit_stack(seats, recipe, device=device, cuda_graphs=key["graphs"]):
        if isinstance(result, Exception):
            raise result
        fits.append(result)
    return fits
