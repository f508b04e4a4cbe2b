"""The real network, at the size of a stamp."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.segmentation import network
from rac_ray.segmentation.network import (
    MASK_CLASSES,
    build_network,
    digest,
    empty_network,
    packed,
    parsed_checkpoint,
    read_checkpoint,
)
from tests.segmentation import torchvision_ops

pytestmark = pytest.mark.usefixtures("torchvision")
SIZES = (64, 96)


@pytest.fixture(scope="module")
def trained(torchvision: None) -> torch.nn.Module:
    """The kind of network that COCO's weights fit, with random ones and one class."""
    torch.manual_seed(3)
    return empty_network({"some": torch.zeros(1)}, *SIZES)


def test_the_kinds_of_networks(trained: torch.nn.Module) -> None:
    names = trained.state_dict().keys()
    assert not any(name.endswith("num_batches_tracked") for name in names)
    free = {name.split(".")[2] for name, each in trained.named_parameters() if each.requires_grad and ".body." in name}
    assert free == {"layer2", "layer3", "layer4"}
    fresh = build_network("none", *SIZES)
    assert all(each.requires_grad for each in fresh.parameters())
    shapes = {name: tuple(value.shape) for name, value in fresh.state_dict().items()}
    assert shapes["roi_heads.box_predictor.cls_score.weight"] == (MASK_CLASSES, 1024)
    assert shapes["roi_heads.mask_predictor.conv5_mask.weight"] == (256, 256, 2, 2)
    assert shapes["roi_heads.mask_predictor.mask_fcn_logits.weight"] == (MASK_CLASSES, 256, 1, 1)
    heads: Any = fresh.roi_heads
    assert (heads.score_thresh, heads.nms_thresh, heads.detections_per_img) == (0.05, 0.5, 100)


def test_a_checkpoint_comes_back(trained: torch.nn.Module, tmp_path: Path) -> None:
    content = packed(trained, *SIZES)
    (tmp_path / "best.ckpt").write_bytes(content)
    found = read_checkpoint(str(tmp_path / "best.ckpt"))
    assert (found.min_size, found.max_size) == SIZES
    for name, value in found.network().state_dict().items():
        assert torch.equal(value, trained.state_dict()[name])
    assert len(digest(content)) == 16


def test_weights_of_other_classes_get_new_heads(trained: torch.nn.Module, tmp_path: Path) -> None:
    """As torchvision's file for COCO, which is plain and has 91 classes."""
    weights = dict(trained.state_dict())
    for name in [name for name in weights if name.startswith(network.HEADS[0])]:
        weights[name] = torch.zeros(91, *weights[name].shape[1:])
    torch.save(weights, tmp_path / "coco.pth")
    torch.manual_seed(4)
    found = build_network(str(tmp_path / "coco.pth"), *SIZES).state_dict()
    assert torch.equal(found["backbone.body.conv1.weight"], weights["backbone.body.conv1.weight"])
    assert found["roi_heads.box_predictor.cls_score.weight"].shape == (MASK_CLASSES, 1024)
    mask_layer = "roi_heads.mask_predictor.conv5_mask.weight"
    assert not torch.equal(found[mask_layer], weights[mask_layer])


def test_coco_weights_go_into_the_trained_kind(trained: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_coco", trained.state_dict)
    found = build_network("coco", *SIZES)
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in found.state_dict().items())


def test_the_authors_file_is_read(trained: torch.nn.Module) -> None:
    """A Lightning checkpoint: weights below ``model.`` beside hyper-parameters."""
    sink = io.BytesIO()
    weights = {f"model.{name}": value for name, value in trained.state_dict().items()}
    torch.save({"state_dict": weights, "hyper_parameters": {"lr": 0.005}, "epoch": 49}, sink)
    found = parsed_checkpoint(sink.getvalue(), "theirs.ckpt")
    assert (found.min_size, found.max_size) == (800, 1333)
    assert set(found.weights) == set(trained.state_dict())


def test_what_holds_no_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there are no weights at '.*nothing\.ckpt'; valid: coco, none, or a file"):
        build_network(str(tmp_path / "nothing.ckpt"))
    with pytest.raises(BadInput, match=r"'a' holds no weights, or is damaged"):
        parsed_checkpoint(b"PK no", "a")
    one = {"a": torch.zeros(1)}
    values = ([1], {}, {"a": 1}, torch.zeros(2), {"state_dict": [1]}, {"state_dict": {1: torch.zeros(1)}})
    sizes = (
        {"weights": one},
        {"weights": one, "min_size": 0, "max_size": 9},
        {"weights": one, "min_size": 9, "max_size": "9"},
    )
    for value in (*values, *sizes):
        sink = io.BytesIO()
        torch.save(value, sink)
        with pytest.raises(BadInput, match=r"'b' holds no weights of a network"):
            parsed_checkpoint(sink.getvalue(), "b")
    with pytest.raises(BadInput, match=r"the weights are not those of Mask R-CNN with ResNet-50 for divers"):
        network.NetworkCheckpoint({"a": torch.zeros(1)}, *SIZES).network()


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_file_of_weights_runs_no_code(tmp_path: Path) -> None:
    sink = io.BytesIO()
    torch.save({"weights": Touch(tmp_path / "made"), "min_size": 64, "max_size": 96}, sink)
    with pytest.raises(BadInput, match="'c' holds no weights, or is damaged"):
        parsed_checkpoint(sink.getvalue(), "c")
    assert not (tmp_path / "made").exists()


def test_the_operations_for_tests_by_hand() -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4], [20, 0, 30, 10.0]])
    assert torchvision_ops.nms(boxes, torch.tensor([0.1, 0.9, 0.5, 0.2]), 0.5).tolist() == [1, 2, 3]
    features = torch.arange(8.0).expand(1, 1, 8, 8)
    rois = torch.tensor([[0, 1.0, 1, 5, 5], [0, 1, -9, 5, -5]])
    for samples in (2, -1):
        inside, outside = torchvision_ops.roi_align(features, rois, 1.0, 2, 2, samples, False)
        assert inside[0].tolist() == [[2, 4], [2, 4]]
        assert outside[0].tolist() == [[0, 0], [0, 0]]
