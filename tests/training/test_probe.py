"""Real probes of small classes: plausible figures, a smaller batch for a slow class, agreement with a timed loop."""

import json
import statistics
import time
from typing import Literal

import msgspec
import pytest
import torch
from torch import nn

from rac_ray.data.subject import ShardSubject
from rac_ray.identity import Recipe
from rac_ray.models import MODELS, Builder, build_model, count_parameters
from rac_ray.store.storage import Storage
from rac_ray.training.probe import FEWEST_CLIPS, Probe
from rac_ray.training.probe import probe as probe_subject

CPU = torch.device("cpu")
EXACT = Recipe(precision="32")


def probe(name: str, hidden_units: int, recipe: Recipe, seconds: float) -> Probe:
    subject = ShardSubject(Builder(name, hidden_units), "", "", 5, (20, 1, 64, 64), Storage(""))
    return probe_subject(f"{name} h={hidden_units}", subject, recipe, device=CPU, seconds=seconds)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_plausible_figures(name: str) -> None:
    found = probe(name, 2, Recipe(batch_size=8, precision="32"), seconds=0.2)
    assert (found.kind, found.batch_size) == (f"{name} h=2", 8)
    assert FEWEST_CLIPS <= found.probed_batch <= 8
    assert 0 < found.seconds_per_eval_clip < 1
    assert 0 < found.seconds_per_train_clip < 1
    assert 4 * count_parameters(build_model(name, 2)) < found.peak_bytes < 16e9
    assert found.device
    assert msgspec.json.decode(json.dumps(found.as_dict()), type=Probe) == found


def test_memory_grows_with_the_batch() -> None:
    small, large = (probe("cnn3d", 4, Recipe(batch_size=size, precision="32"), seconds=0.2) for size in (64, 1024))
    activations = 4 * 4 * 20 * 64 * 64  # bytes per clip of the first convolution alone
    assert large.peak_bytes - small.peak_bytes > (1024 - 64) * activations


def test_a_probe_after_a_larger_one_tells_its_own_memory() -> None:
    alone, _, after = (probe("timesformer1", h, EXACT, seconds=0.1) for h in (2, 48, 2))
    assert after.peak_bytes == pytest.approx(alone.peak_bytes, rel=0.25)


def test_a_slow_class_is_probed_on_fewer_clips() -> None:
    slow = probe("convlstm", 16, EXACT, seconds=0.2)
    assert FEWEST_CLIPS <= slow.probed_batch < slow.batch_size == EXACT.batch_size
    assert slow.peak_bytes > 2e9


def test_without_time_one_step_on_two_clips_is_made() -> None:
    assert probe("timesformer1", 2, EXACT, seconds=0).probed_batch == FEWEST_CLIPS


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
def test_sixteen_bits(name: str, precision: Literal["16-mixed", "bf16-mixed"]) -> None:
    found = probe(name, 4, Recipe(batch_size=4, precision=precision), seconds=0.05)
    assert found.seconds_per_train_clip > 0


def test_agrees_with_a_timed_loop() -> None:
    found = probe("cnn3d", 4, Recipe(batch_size=16, precision="32"), seconds=1)
    model = build_model("cnn3d", 4)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-5)
    frames, labels = torch.randint(256, (16, 20, 1, 64, 64), dtype=torch.uint8), torch.randint(5, (16,))
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(frames.float() / 255), labels).backward()
        optimiser.step()
        taken.append(time.perf_counter() - began)
    assert found.probed_batch == 16
    assert 0.5 < found.seconds_per_train_clip / (statistics.median(taken) / 16) < 2
