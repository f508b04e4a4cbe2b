"""Mask R-CNN with a ResNet-50 FPN backbone for one class, divers, as torchvision has it (facts.md section 4).

torchvision is loaded here only, and only when a network is built: everything else works without it.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from rac_ray.errors import BadInput
from rac_ray.segmentation.scores import DIVER
from rac_ray.segmentation.settings import MAX_SIZE, MIN_SIZE
from rac_ray.store.storage import Storage
from rac_ray.training.checkpoints import is_weights

MASK_CLASSES = 1 + DIVER
"""Background and diver."""
HEADS = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.")
"""Layers whose size is that of the classes: new ones replace those of COCO's 91."""
TRAINABLE_LAYERS = 3
"""Layers of the backbone's five: torchvision's default with weights; without them all are trained."""
SIDES = range(1, 65_537)
"""What a side of an image can be that a checkpoint asks for, in pixels."""
LIGHTNING_PREFIX = "model."
"""Beginning of the names of weights in the authors' checkpoint."""

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class NetworkCheckpoint:
    """Weights, and the size of images that they were trained with."""

    weights: Weights
    min_size: int = MIN_SIZE
    max_size: int = MAX_SIZE

    def network(self) -> nn.Module:
        """A network with these weights, in evaluation mode. Raises BadInput for weights of another network."""
        network = empty_network(self.weights, self.min_size, self.max_size)
        _load(network, self.weights)
        return network.eval()


def torchvision() -> ModuleType:
    """torchvision with its detection models; BadInput where it is not, or does not fit torch."""
    try:
        import torchvision.models.detection
    except ImportError as error:
        raise BadInput("segmentation needs torchvision: install rac-ray[segmentation]") from error
    except RuntimeError as error:
        raise BadInput(
            f"torchvision was built for another torch than {torch.__version__}: install both from the same index "
            f"({error})"
        ) from error
    return torchvision


def build_network(weights: str, min_size: int = MIN_SIZE, max_size: int = MAX_SIZE) -> nn.Module:
    """The network to fine-tune, with new heads for one class.

    ``weights``: ``coco`` (torchvision's, which are downloaded), ``none`` (random; torch's seed decides), or a file of
    ``read_checkpoint``, of which the heads are taken too if they are for one class. Raises BadInput for weights that
    cannot be had.
    """
    if weights == "none":
        return empty_network({}, min_size, max_size)
    trained = _coco() if weights == "coco" else read_checkpoint(weights).weights
    network = empty_network(trained, min_size, max_size)
    heads = {name: value for name, value in network.state_dict().items() if name.startswith(HEADS)}
    other = any(name in trained and trained[name].shape != value.shape for name, value in heads.items())
    _load(network, {**trained, **heads} if other else trained)
    return network


def empty_network(weights: Weights, min_size: int, max_size: int) -> nn.Module:
    """A network with random weights, of the kind that ``weights`` fit; without any, of the kind to train from nothing.

    The normalisation of trained backbones is frozen, with epsilon 0 as in torchvision's network for COCO; weights from
    nothing have batch normalisation, which tells by its counts of batches.
    """
    detection = torchvision().models.detection
    frozen = bool(weights) and not any(name.endswith("num_batches_tracked") for name in weights)
    norm = torchvision().ops.FrozenBatchNorm2d if frozen else nn.BatchNorm2d
    backbone = detection.backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet50",
        weights=None,
        norm_layer=norm,
        trainable_layers=TRAINABLE_LAYERS if frozen else 5,
    )
    if frozen:
        for layer in backbone.modules():
            if isinstance(layer, norm):
                layer.eps = 0.0  # pyright: ignore[reportAttributeAccessIssue]
    return detection.MaskRCNN(backbone, num_classes=MASK_CLASSES, min_size=min_size, max_size=max_size)


def read_checkpoint(file: str) -> NetworkCheckpoint:
    """Weights of ``finetune``, of torchvision (``.pth``) or of the authors (a Lightning checkpoint), path or URI.

    Only tensors and plain values are read, no code is run. Raises BadInput for a file that is not there or is another.
    """
    return parsed_checkpoint(checkpoint_bytes(file), file)


def checkpoint_bytes(file: str) -> bytes:
    """What is in a file, path or URI; BadInput without it."""
    place = Storage.at(file)
    name = place.root.partition("?")[0].rpartition("/")[2]
    try:
        return place.above.read_bytes(name)
    except OSError as error:
        raise BadInput(f"there are no weights at {file!r}; valid: coco, none, or a file") from error


def parsed_checkpoint(content: bytes, file: str) -> NetworkCheckpoint:
    """Weights and sizes in a file's content; ``file`` names it in what BadInput says."""
    try:
        found: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadInput(f"{file!r} holds no weights, or is damaged ({type(error).__name__})") from error
    match found:
        case {"state_dict": weights}:
            sizes = {}
        case {"weights": weights, "min_size": int(least), "max_size": int(most)} if least in SIDES and most in SIDES:
            sizes = {"min_size": least, "max_size": most}
        case weights:
            sizes = {}
    if not is_weights(weights) or not weights:
        raise BadInput(f"{file!r} holds no weights of a network")
    return NetworkCheckpoint({name.removeprefix(LIGHTNING_PREFIX): value for name, value in weights.items()}, **sizes)


def packed(network: nn.Module, min_size: int, max_size: int) -> bytes:
    """A file for ``read_checkpoint``."""
    sink = io.BytesIO()
    torch.save({"weights": network.state_dict(), "min_size": min_size, "max_size": max_size}, sink)
    return sink.getvalue()


def digest(content: bytes) -> str:
    """Digest of the weights in a file, 16 hex digits."""
    return hashlib.sha256(content).hexdigest()[:16]


def _coco() -> Weights:
    source = torchvision().models.detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1
    try:
        return source.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise BadInput(f"COCO's weights cannot be had ({error}); download {source.url}, --weights FILE") from error


def _load(network: nn.Module, weights: Weights) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise BadInput(f"the weights are not those of Mask R-CNN with ResNet-50 for divers: {said}") from error
