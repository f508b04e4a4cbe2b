"""Seconds of an epoch of the study's size through the product's own ``fit``, validation and bookkeeping included."""

import logging
import statistics
import tempfile
from collections.abc import Iterator

import torch
from rac_ray.trial import Recipe, Trial

from benchmarks.gpu.clips import clips
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.plain import PLAIN_MODELS
from rac_ray.data.shards import Clips
from rac_ray.storage import Storage
from rac_ray.training.fit import fit

EPOCHS = {True: 3, False: 2}
"""With and without graphs; the first is not counted: it chooses kernels and records graphs."""


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row per size, model, and with or without graphs."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    train, val = clips("2dot", "train", sizes.epoch_train_clips), clips("2dot", "val", sizes.epoch_val_clips)
    for hidden_units in sizes.timed_hidden_units:
        for model in PLAIN_MODELS:
            for graphs in (True, False):
                key = {"model": model, "hidden_units": hidden_units, "graphs": graphs}
                yield tried(key, lambda key=key: _measured(key, train, val, device, sizes.batch))


def _measured(key: Row, train: Clips, val: Clips, device: torch.device, batch: int) -> Row:
    count = EPOCHS[key["graphs"]]
    recipe = Recipe(batch_size=batch, max_epochs=count, patience=count)
    trial = Trial(key["model"], key["hidden_units"], "2dot", 0, recipe, "benchmark", "optdigits")
    with tempfile.TemporaryDirectory() as scratch:
        found = fit(trial, train, val, Storage.at(scratch), device=device, cuda_graphs=key["graphs"])
    seconds = [row["seconds"] for row in found.epochs]
    return {
        "train_clips": len(train),
        "val_clips": len(val),
        "seconds": statistics.median(seconds[1:]),
        "seconds_first": seconds[0],
        "seconds_to_first_step": found.seconds_to_first_step,
        "precision": found.precision,
        "loader_wait_share": found.epochs[-1]["loader_wait_share"],
    }
