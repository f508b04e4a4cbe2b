"""Seconds of an epoch of the study's size through the product's own ``fit``, validation and bookkeeping included."""

import logging
import statistics
import tempfile
from collections.abc import Iterator

import torch

from benchmarks.gpu.clips import clips
from benchmarks.gpu.fitting import TRAIN, VAL, fitted, precision_of
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.plain import PLAIN_MODELS
from rac_ray.data.feed import Place
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe
from rac_ray.store.storage import Storage

EPOCHS = {True: 3, False: 2}
"""With and without graphs; the first is not counted: it chooses kernels and records graphs."""


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row per size, model, and with or without graphs."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    train, val = clips("2dot", "train", sizes.epoch_train_clips), clips("2dot", "val", sizes.epoch_val_clips)
    parts = {TRAIN: train, VAL: val}
    for hidden_units in sizes.timed_hidden_units:
        for model in PLAIN_MODELS:
            for graphs in (True, False):
                key = {"model": model, "hidden_units": hidden_units, "graphs": graphs}
                yield tried(key, lambda key=key: _measured(key, parts, device, sizes.batch))


def _measured(key: Row, parts: dict[str, Clips], device: torch.device, batch: int) -> Row:
    count = EPOCHS[key["graphs"]]
    recipe = Recipe(batch_size=batch, max_epochs=count, patience=count).resolved(precision_of(device))
    trained, place = (key["model"], key["hidden_units"], recipe, parts), Place(device=device.type)
    with tempfile.TemporaryDirectory() as scratch:
        found = fitted(*trained, Storage.at(scratch), place, cuda_graphs=key["graphs"])
    seconds = [row["seconds"] for row in found.epochs]
    return {
        "train_clips": len(parts[TRAIN]),
        "val_clips": len(parts[VAL]),
        "seconds": statistics.median(seconds[1:]),
        "seconds_first": seconds[0],
        "seconds_to_first_step": found.seconds_to_first_step,
        "precision": recipe.precision,
        "loader_wait_share": found.epochs[-1]["loader_wait_share"],
    }
