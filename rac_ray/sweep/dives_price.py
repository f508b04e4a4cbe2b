"""What Diving48's trainings cost: from probes of their steps where there are any, else from counted operations and
stated assumptions."""

import platform
from collections.abc import Callable, Mapping
from functools import partial

import ray
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rac_ray.data.manifest import require_manifest
from rac_ray.data.streaming import normalised
from rac_ray.models import build_model, count_parameters
from rac_ray.models.diving48 import CHANNELS, FRAME_SIZE, NUM_CLASSES, NUM_FRAMES, Size
from rac_ray.sweep.dives_plan import DivingPlan, Training
from rac_ray.sweep.price import all_probes, known_probes, remember_probes
from rac_ray.training.memory import step_memory
from rac_ray.training.probe import Probe, probe_built
from rac_ray.trial import Recipe

OPERATIONS_PER_SECOND = 40e12
"""Of one GPU, without a probe: an assumption, an eighth of what an A100 can do in 16 bits."""
EPOCHS = (40, 120)
"""Of a training, from and to: the study's checkpoints were of epochs 10 to 89, and training goes on for 30 more."""
STEP = 3
"""A training step over a forward pass."""
BYTES_PER_RECORD = 20_000_000
"""Predictions and tables of a trial, generously; its weights come on top."""


CLIP = (NUM_FRAMES, CHANNELS, FRAME_SIZE, FRAME_SIZE)


def built(size: Size, device: str = "meta") -> nn.Module:
    """A model of this size; on the meta device it has shapes only."""
    shape = {"num_frames": NUM_FRAMES, "frame_size": FRAME_SIZE, "channels": CHANNELS, "num_classes": NUM_CLASSES}
    with torch.device(device):
        return build_model(size.architecture, size.hidden_units, **shape, **size.options)


def operations_of(size: Size) -> int:
    """Of a clip's forward pass: two per multiplication and addition of convolutions, products and attention."""
    model = built(size).eval()
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, *CLIP))
    return counter.get_total_flops()


def clips_of(plan: DivingPlan, training: Training, epochs: int) -> tuple[int, int]:
    """Clips of a whole training's steps, and those that are only looked at: in validation after each epoch, and in the
    evaluation of every level."""
    manifest = require_manifest(plan.data)
    val = len(manifest["val"][plan.grid.validation])
    train = manifest["splits"]["train"]["clips"] - val
    evaluated = val + manifest["splits"]["test"]["clips"] * len(plan.grid.domains)
    return epochs * train, epochs * val + len(set(training.levels.values())) * evaluated


def bytes_of(plan: DivingPlan, training: Training) -> int:
    """Upper bound on what a training's trials take on disk."""
    weights = 4 * count_parameters(built(plan.grid.sizes[training.trial.size]))
    return (weights + BYTES_PER_RECORD) * len(training.trials)


def probe_sizes(plan: DivingPlan, workers: int, seconds: float, gpu: bool, say: Callable[[str], None]) -> None:
    """Make some steps at each size of the plan that has not been probed on such a device, on the running Ray.

    Each is a worker's share of a batch; what it took is kept for this and the next plans on the storage.
    """
    batch = plan.grid.recipe.batch_size // workers
    recipe = Recipe(plan.grid.recipe.learning_rate, batch_size=batch)
    task = _probe_task.options(num_cpus=1, num_gpus=int(gpu))
    device: str = ray.get(_device_task.options(num_cpus=1, num_gpus=int(gpu)).remote())
    storage = plan.ledger.storage.above
    for name in dict.fromkeys(training.trial.size for training in plan.trainings):
        size, probes = plan.grid.sizes[name], known_probes(storage, device)
        if (name, size.hidden_units, batch) not in probes:
            say(f"probing {name} on {device}")
            found: Probe = ray.get(task.remote(name, size, recipe, seconds))
            remember_probes(storage, device, {**probes, (name, size.hidden_units, batch): found})


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@ray.remote
def _device_task() -> str:
    return torch.cuda.get_device_name() if _device().type == "cuda" else platform.node()


@ray.remote(max_calls=1)
def _probe_task(name: str, size: Size, recipe: Recipe, seconds: float) -> Probe:
    return probe_built(
        name,
        built(size, "cpu"),
        recipe,
        CLIP,
        NUM_CLASSES,
        hidden_units=size.hidden_units,
        scaled=normalised,
        device=_device(),
        seconds=seconds,
    )


def price_lines(plan: DivingPlan, states: Mapping[str, str], workers: int) -> list[str]:
    """GPU hours and disk of what is missing, with what they assume, and the memory of a step."""
    open_ones = [
        each for each in plan.trainings if any(states[trial.trial_id] == "pending" for trial in plan.asked(each))
    ]
    lines = [f"{len(open_ones)} of {len(plan.trainings)} trainings are missing"]
    if not open_ones:
        return lines
    sizes = {each.trial.size: plan.grid.sizes[each.trial.size] for each in open_ones}
    operations = {name: operations_of(size) for name, size in sizes.items()}
    disk = sum(bytes_of(plan, each) for each in open_ones)
    probed = _probed(plan, sizes, plan.grid.recipe.batch_size // workers)
    for device, probes in probed.items():
        rates = {name: (probe.seconds_per_train_clip, probe.seconds_per_eval_clip) for name, probe in probes.items()}
        lines.append(f"{_hours(plan, open_ones, rates, workers)} (steps probed on {device}, without loading)")
    if not probed:
        looks = {name: count / OPERATIONS_PER_SECOND for name, count in operations.items()}
        rates = {name: (STEP * seconds, seconds) for name, seconds in looks.items()}
        speed = f"{OPERATIONS_PER_SECOND / 1e12:.0f} * 10^12 operations per second and GPU"
        lines.append(f"{_hours(plan, open_ones, rates, workers)} (assumed, not measured: {speed})")
    lines.append(f"disk for results: at most {disk / 1e9:.1f} GB, besides the shards")
    for name, size in sizes.items():
        memory = step_memory(partial(built, size), CLIP)
        peaks = [f", {probes[name].peak_bytes / 1e9:.1f} GB at once on {device}" for device, probes in probed.items()]
        lines.append(
            f"{name}: {operations[name] / 1e12:.2f} * 10^12 operations per clip forward, "
            f"{memory.per_clip / 1e9:.2f} GB per clip of a step in 32 bits{''.join(peaks)}"
        )
    return lines


def _hours(plan: DivingPlan, trainings: list[Training], rates: Mapping[str, tuple[float, float]], workers: int) -> str:
    """GPU hours of some trainings, given seconds per clip of a step and of a look, by size."""
    hours = []
    for epochs in EPOCHS:
        counts = [(clips_of(plan, each, epochs), rates[each.trial.size]) for each in trainings]
        hours.append(sum(clips * seconds for pair in counts for clips, seconds in zip(*pair, strict=True)) / 3600)
    low, high = hours
    return (
        f"GPU hours: {low:,.1f} to {high:,.1f} for {EPOCHS[0]} to {EPOCHS[1]} epochs; "
        f"on {workers} GPUs {low / workers:,.1f} to {high / workers:,.1f} h"
    )


def _probed(plan: DivingPlan, sizes: Mapping[str, Size], batch: int) -> dict[str, dict[str, Probe]]:
    """Probes of all these sizes, by device; devices that lack one are left out."""
    found = {}
    for device, probes in all_probes(plan.ledger.storage.above).items():
        keys = {name: (name, size.hidden_units, batch) for name, size in sizes.items()}
        if probes.keys() >= set(keys.values()):
            found[device] = {name: probes[key] for name, key in keys.items()}
    return found
