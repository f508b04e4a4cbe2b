"""What Diving48's trainings cost, from counted operations and stated assumptions. Starts nothing."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rac_ray.data.manifest import require_manifest
from rac_ray.models import build_model, count_parameters
from rac_ray.models.diving48 import CHANNELS, FRAME_SIZE, NUM_CLASSES, NUM_FRAMES, Size
from rac_ray.sweep.dives_plan import DivingPlan, Training
from rac_ray.training.memory import step_memory

OPERATIONS_PER_SECOND = 40e12
"""Of one GPU: an assumption, an eighth of what an A100 can do in 16 bits. Nothing has been measured."""
EPOCHS = (40, 120)
"""Of a training, from and to: the study's checkpoints were of epochs 10 to 89, and training goes on for 30 more."""
STEP = 3
"""A training step over a forward pass."""
BYTES_PER_RECORD = 20_000_000
"""Predictions and tables of a trial, generously; its weights come on top."""


def built(size: Size) -> nn.Module:
    """A model of this size on the meta device."""
    shape = {"num_frames": NUM_FRAMES, "frame_size": FRAME_SIZE, "channels": CHANNELS, "num_classes": NUM_CLASSES}
    with torch.device("meta"):
        return build_model(size.architecture, size.hidden_units, **shape, **size.options)


def operations_of(size: Size) -> int:
    """Of a clip's forward pass: two per multiplication and addition of convolutions, products and attention."""
    model = built(size).eval()
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, NUM_FRAMES, CHANNELS, FRAME_SIZE, FRAME_SIZE))
    return counter.get_total_flops()


def clips_of(plan: DivingPlan, training: Training, epochs: int) -> int:
    """Forward passes of a whole training, with validation after each epoch and the evaluation of every level."""
    manifest = require_manifest(plan.data)
    val = len(manifest["val"][plan.grid.validation])
    train = manifest["splits"]["train"]["clips"] - val
    evaluated = val + manifest["splits"]["test"]["clips"] * len(plan.grid.domains)
    return epochs * (STEP * train + val) + len(set(training.levels.values())) * evaluated


def price_lines(plan: DivingPlan, states: Mapping[str, str]) -> list[str]:
    """GPU hours and disk of what is missing, with what they assume, and the memory of a step."""
    open_ones = [each for each in plan.trainings if any(states[trial.trial_id] == "pending" for trial in each.trials)]
    lines = [f"{len(open_ones)} of {len(plan.trainings)} trainings are missing"]
    if not open_ones:
        return lines
    sizes = {each.size: plan.grid.sizes[each.size] for each in open_ones}
    operations = {name: operations_of(size) for name, size in sizes.items()}
    weights = {name: 4 * count_parameters(built(size)) for name, size in sizes.items()}
    low, high = (
        sum(operations[each.size] * clips_of(plan, each, epochs) for each in open_ones) / OPERATIONS_PER_SECOND / 3600
        for epochs in EPOCHS
    )
    disk = sum((weights[each.size] + BYTES_PER_RECORD) * len(each.trials) for each in open_ones)
    lines += [
        f"GPU hours: {low:,.1f} to {high:,.1f}; on eight GPUs {low / 8:,.1f} to {high / 8:,.1f} h",
        f"(assumed, not measured: {EPOCHS[0]} to {EPOCHS[1]} epochs, {OPERATIONS_PER_SECOND / 1e12:.0f} * 10^12 "
        "operations per second and GPU)",
        f"disk for results: at most {disk / 1e9:.1f} GB, besides the shards",
    ]
    for name, size in sizes.items():
        memory = step_memory(partial(built, size), (NUM_FRAMES, CHANNELS, FRAME_SIZE, FRAME_SIZE))
        lines.append(
            f"{name}: {operations[name] / 1e12:.2f} * 10^12 operations per clip forward, "
            f"{memory.per_clip / 1e9:.2f} GB per clip of a step in 32 bits"
        )
    return lines
