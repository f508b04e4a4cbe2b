"""Batch normalisation over one to four gloo processes against the plain layer on the whole batch, in 64 bits."""

import copy
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from rac_ray.models import build_model
from rac_ray.training.batch_norm import GroupBatchNorm, GroupBatchNorms
from tests.segmentation.torchvision_ops import APART

WORLDS = (1, 2, 3, 4)
CLIPS = 7
"""Shared by two as 4 and 3, by three as 3, 2 and 2, by four as 2, 2, 2 and 1."""
LAYERS: dict[str, nn.Module] = {
    "3d": nn.BatchNorm3d(3),
    "without weights": nn.BatchNorm3d(3, affine=False),
    "cumulative": nn.BatchNorm3d(3, momentum=None),
    "without running statistics": nn.BatchNorm3d(3, track_running_stats=False),
    "one value per clip": nn.BatchNorm1d(3, eps=1e-3, momentum=0.3),
}
STEPS = 2
MODELS = ("cnn3d", "convlstm")


def layer_named(name: str) -> nn.Module:
    """In 64 bits, with weights that are not all alike."""
    layer = copy.deepcopy(LAYERS[name]).double()
    for number, parameter in enumerate(layer.parameters()):
        parameter.data = torch.tensor([0.5, -1.5, 2.0], dtype=torch.float64) + number
    return layer


def inputs_for(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Inputs far from zero, where sums of squares would cancel, and gradients of the outputs."""
    shape = (CLIPS, 3) if isinstance(layer, nn.BatchNorm1d) else (CLIPS, 3, 4, 5, 6)
    draw = torch.Generator().manual_seed(1)
    inputs, gradients = (torch.randn(shape, generator=draw, dtype=torch.float64) + offset for offset in (1e4, 0))
    return inputs, gradients


def passed(layer: nn.Module, inputs: Tensor, gradients: Tensor) -> dict[str, Any]:
    """What some passes forward and back leave."""
    inputs, outputs = inputs.clone().requires_grad_(), []
    for _ in range(STEPS):
        outputs.append(layer(inputs))
        (outputs[-1] * gradients).sum().backward()
    of_weights = [each.grad for each in layer.parameters()]
    said = torch.stack(outputs, dim=1).detach()
    return {"outputs": said, "inputs'": inputs.grad, "weights'": of_weights, "state": layer.state_dict()}


def model_and_clips(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A small model in 64 bits, clips (B, T, C, H, W) and labels."""
    torch.manual_seed(2)
    model = build_model(name, 4, num_frames=8, frame_size=16).double()
    return model, torch.rand(CLIPS, 8, 1, 16, 16, dtype=torch.float64), torch.arange(CLIPS) % 5


def trained(model: nn.Module, clips: Tensor, labels: Tensor, share: float = 1) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        (share * nn.functional.cross_entropy(model(clips), labels)).backward()
        optimiser.step()


def run_rank(rank: int, folder: str) -> None:
    """One process, in each group that it belongs to; leaves ``world-rank.pt``."""
    torch.set_num_threads(1)
    for world in WORLDS:
        if rank >= world:
            continue
        meeting = f"file://{folder}/{world}"
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world, timeout=timedelta(seconds=60))
        found: dict[str, Any] = {}
        for name in LAYERS:
            layer = layer_named(name)
            mine = [each[rank::world] for each in inputs_for(layer)]
            found[name] = passed(GroupBatchNorms().apply(layer), mine[0], mine[1])
        for name in MODELS:
            model, clips, labels = model_and_clips(name)
            plugin = GroupBatchNorms()
            group = DistributedDataParallel(plugin.apply(model))
            types = {type(each) for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)}
            ours = types == {GroupBatchNorm}
            trained(group, clips[rank::world], labels[rank::world], len(labels[rank::world]) * world / CLIPS)
            plugin.revert(model)
            found[name] = {
                "state": model.state_dict(),
                "ours": ours,
                "logits": model.eval()(clips),
            }
        torch.save(found, f"{folder}/{world}-{rank}.pt")
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def by_world(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """What each rank of each group found, without the torchvision that the tests of segmentation put on the path."""
    folder: Path = tmp_path_factory.mktemp("groups")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [place for place in sys.path if place != str(APART)])
        spawn(run_rank, (str(folder),), max(WORLDS))
    return {world: [torch.load(folder / f"{world}-{rank}.pt") for rank in range(world)] for world in WORLDS}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_does_as_on_the_whole_batch(name: str, world: int, by_world: dict[int, list[dict[str, Any]]]) -> None:
    """Outputs, the inputs' gradients, and the running statistics, which are the same bits on each rank.

    Inputs are 10,000 away from zero: of 16 digits 4 are lost.
    """
    layer = layer_named(name)
    expected = passed(layer, *inputs_for(layer))
    ranks = [each[name] for each in by_world[world]]
    for rank, found in enumerate(ranks):
        for part in ("outputs", "inputs'"):
            torch.testing.assert_close(found[part], expected[part][rank::world], rtol=0, atol=1e-10)
        assert list(found["state"]) == list(expected["state"])
        for key, value in found["state"].items():
            torch.testing.assert_close(value, expected["state"][key], rtol=1e-12, atol=0)
            assert torch.equal(value, ranks[0]["state"][key])
    for number, gradient in enumerate(expected["weights'"]):
        summed = torch.stack([found["weights'"][number] for found in ranks]).sum(0)
        torch.testing.assert_close(summed, gradient, rtol=0, atol=1e-8)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_as_on_the_whole_batch(name: str, world: int, by_world: dict[int, list[dict[str, Any]]]) -> None:
    """Through DDP with uneven shares; one worker's numbers are the plain model's but for the last bits, which in MKL's
    sums depend on where in memory they lie."""
    model, clips, labels = model_and_clips(name)
    trained(model, clips, labels)
    tolerance = 1e-14 if world == 1 else 1e-12
    for found in (each[name] for each in by_world[world]):
        assert found["ours"] == (world > 1)
        for key, value in model.state_dict().items():
            torch.testing.assert_close(found["state"][key], value, rtol=0, atol=tolerance)
        torch.testing.assert_close(found["logits"], model.eval()(clips), rtol=0, atol=10 * tolerance)


def test_weights_of_a_group_load_into_the_plain_model(by_world: dict[int, list[dict[str, Any]]]) -> None:
    for name in MODELS:
        model, clips, _ = model_and_clips(name)
        model.load_state_dict(by_world[3][2][name]["state"])
        torch.testing.assert_close(model.eval()(clips), by_world[3][2][name]["logits"], rtol=0, atol=0)
