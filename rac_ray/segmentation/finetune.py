"""Fine-tune Mask R-CNN on frames with masks: early stopping on the study's box IoU, the best weights, exact resume.

``<out>/best.ckpt`` has the best weights, ``last.ckpt`` all that training goes on from, ``record.json`` the settings,
the names of both splits, and a row per epoch. Each is written atomically after every epoch.
"""

import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.identity import seed_for
from rac_ray.segmentation.frames import FrameFiles, Labelled, read_frame, split_frames
from rac_ray.segmentation.network import build_network, packed
from rac_ray.segmentation.scores import DIVER, Predicted, mask_ap, val_iou_boxes
from rac_ray.segmentation.settings import Settings
from rac_ray.store.files import BEST_CHECKPOINT, LAST_CHECKPOINT
from rac_ray.store.storage import UNREADABLE, Storage

FINETUNE_RECORD = "record.json"
MASK_THRESHOLD = 0.5
"""Value from which soft masks count, for the average precision."""

EpochRow = dict[str, float]


class Begun(msgspec.Struct):
    """What the record says of a training that goes on."""

    settings: dict[str, Any]
    train: list[str]
    val: list[str]
    epochs: list[EpochRow]


@dataclass(frozen=True)
class Tuned:
    """What training leaves behind."""

    epochs: list[EpochRow]
    """Rows of epochs: epoch, train_loss, val_iou_boxes, mask_ap, mask_ap50, seconds."""

    @property
    def best(self) -> EpochRow:
        """The epoch whose weights were kept: the first of those with the highest ``val_iou_boxes``."""
        return max(self.epochs, key=lambda row: row["val_iou_boxes"])

    def finished(self, settings: Settings) -> bool:
        """Whether training is over."""
        last = len(self.epochs) - 1
        return bool(self.epochs) and (last + 1 >= settings.max_epochs or last - self.best["epoch"] >= settings.patience)


def finetune(
    frames: Sequence[FrameFiles],
    out: Storage,
    settings: Settings,
    *,
    device: torch.device,
    report: Callable[[EpochRow], None] = lambda _row: None,
) -> Tuned:
    """Train on ``frames`` until done, from ``out`` if training has begun there; ``report`` gets each epoch's row.

    On a CPU training that was stopped after any epoch ends at the same bits. Raises BadInput for frames that cannot be
    read or do not fill a batch, for an ``out`` of other settings or frames, and for a loss that is not finite.
    """
    train, val = split_frames(frames, settings.holdout, settings.video_pattern)
    if len(train) < settings.batch_size:
        said = counted(len(train), "training frame does", "training frames do")
        raise BadInput(f"{said} not fill a batch of {settings.batch_size}")
    record = {
        "settings": settings.identity(),
        "train": [frame.name for frame in train],
        "val": [frame.name for frame in val],
    }
    tuned = Tuned(_begun(out, record))
    if tuned.finished(settings):
        return tuned
    for frame in frames:
        read_frame(frame)
    torch.manual_seed(seed_for("heads", settings.seed))
    network = build_network(settings.weights, settings.min_size, settings.max_size).to(device)
    optimizer = torch.optim.SGD(
        [each for each in network.parameters() if each.requires_grad],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    if tuned.epochs:
        _resume(out, network, optimizer, tuned.epochs, device)
        _write_record(out, record, tuned)
    while not tuned.finished(settings):
        began, epoch = time.monotonic(), len(tuned.epochs)
        loss = _train(network, optimizer, train, settings, epoch, device)
        row = {"epoch": epoch, "train_loss": loss, **validate(network, val, device)}
        tuned.epochs.append(row | {"seconds": time.monotonic() - began})
        if tuned.best["epoch"] == epoch:
            out.write_bytes(BEST_CHECKPOINT, packed(network, settings.min_size, settings.max_size))
        _save(out, network, optimizer, tuned.epochs)
        _write_record(out, record, tuned)
        report(tuned.epochs[-1])
    return tuned


def validate(network: nn.Module, frames: Sequence[FrameFiles], device: torch.device) -> dict[str, float]:
    """``val_iou_boxes``, ``mask_ap`` and ``mask_ap50`` of a network on frames."""
    network.eval()
    predicted, true_boxes, true_masks = [], [], []
    for frame in frames:
        labelled = read_frame(frame)
        with torch.inference_mode():
            (said,) = network([image_tensor(labelled.image).to(device)])
        predicted.append(
            Predicted(
                said["boxes"].cpu().numpy(),
                said["scores"].cpu().numpy(),
                (said["masks"][:, 0] > MASK_THRESHOLD).cpu().numpy(),
            )
        )
        true_boxes.append(labelled.boxes)
        true_masks.append(labelled.masks)
    return {"val_iou_boxes": val_iou_boxes(predicted, true_boxes), **mask_ap(predicted, true_masks)}


def image_tensor(image: np.ndarray) -> Tensor:
    """An image (H, W, 3) uint8 as (3, H, W) float32 in [0, 1]; the network normalises it."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


def _train(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    frames: Sequence[FrameFiles],
    settings: Settings,
    epoch: int,
    device: torch.device,
) -> float:
    """One epoch, without a last short batch; the mean of the summed losses. All that is random follows the epoch."""
    network.train()
    torch.manual_seed(seed_for("regions", settings.seed, epoch))
    order = np.random.default_rng(seed_for("order", settings.seed, epoch)).permutation(len(frames))
    losses = []
    for first in range(0, len(frames) - settings.batch_size + 1, settings.batch_size):
        batch = [frames[place] for place in order[first : first + settings.batch_size]]
        pairs = [_example(frame, settings, epoch, device) for frame in batch]
        loss = sum(network([image for image, _ in pairs], [target for _, target in pairs]).values(), torch.tensor(0.0))
        if not math.isfinite(value := loss.item()):
            raise BadInput(f"the loss is {value} in epoch {epoch + 1}; a lower --learning-rate may help")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(value)
    return float(np.mean(losses))


def _example(
    frame: FrameFiles, settings: Settings, epoch: int, device: torch.device
) -> tuple[Tensor, dict[str, Tensor]]:
    """An image and what is in it, as torchvision's networks take them; mirrored or not by (seed, epoch, name)."""
    labelled = read_frame(frame)
    if seed_for("flip", settings.seed, epoch, frame.name) / 2**63 < settings.flip:
        labelled = mirrored(labelled)
    target = {
        "boxes": torch.from_numpy(labelled.boxes),
        "labels": torch.full((len(labelled.boxes),), DIVER),
        "masks": torch.from_numpy(np.ascontiguousarray(labelled.masks, np.uint8)),
    }
    return image_tensor(labelled.image).to(device), {name: value.to(device) for name, value in target.items()}


def mirrored(labelled: Labelled) -> Labelled:
    """A frame with left and right exchanged."""
    boxes = labelled.boxes.copy()
    boxes[:, [0, 2]] = labelled.image.shape[1] - 1 - boxes[:, [2, 0]]
    return Labelled(labelled.image[:, ::-1], labelled.masks[:, :, ::-1], boxes)


def _begun(out: Storage, record: dict[str, Any]) -> list[EpochRow]:
    """The epochs that are done in ``out``; BadInput when they are of another record."""
    content = out.read_if_there(FINETUNE_RECORD)
    if content is None:
        return []
    try:
        found = msgspec.convert(json.loads(content), Begun)  # a loss can be NaN, which is no JSON of msgspec's
        epochs = _rows(found.epochs)
    except UNREADABLE as error:
        raise BadInput(f"{out.address(FINETUNE_RECORD)} is damaged; choose another folder") from error
    for name, value in record["settings"].items():
        if found.settings.get(name) != value:
            raise BadInput(
                f"{out.root!r} was trained with {name} {found.settings.get(name)!r} instead of {value!r}; "
                "choose another folder"
            )
    if (found.train, found.val) != (record["train"], record["val"]):
        raise BadInput(f"{out.root!r} was trained on other frames; choose another folder")
    return epochs


def _rows(value: Any) -> list[EpochRow]:
    """Epochs as a file has them. Raises one of UNREADABLE for anything else."""
    rows = msgspec.convert(value, list[EpochRow])
    if not all({"epoch", "val_iou_boxes"} <= row.keys() for row in rows):
        raise ValueError("an epoch has no number, or no score")
    return rows


def _write_record(out: Storage, record: dict[str, Any], tuned: Tuned) -> None:
    out.write_json(FINETUNE_RECORD, {**record, "epochs": tuned.epochs, "best_epoch": tuned.best["epoch"]})


def _save(out: Storage, network: nn.Module, optimizer: torch.optim.Optimizer, epochs: list[EpochRow]) -> None:
    sink = io.BytesIO()
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epochs}, sink)
    out.write_bytes(LAST_CHECKPOINT, sink.getvalue())


def _resume(
    out: Storage, network: nn.Module, optimizer: torch.optim.Optimizer, epochs: list[EpochRow], device: torch.device
) -> None:
    """Go on from ``last.ckpt``, which may be one epoch ahead of the record; ``epochs`` becomes what it says."""
    try:
        content = torch.load(io.BytesIO(out.read_bytes(LAST_CHECKPOINT)), map_location=device, weights_only=True)
        network.load_state_dict(content["network"])
        optimizer.load_state_dict(content["optimizer"])
        epochs[:] = _rows(content["epochs"])
    except Exception as error:
        raise BadInput(
            f"{out.address(LAST_CHECKPOINT)} is damaged ({type(error).__name__}); delete the folder to train again"
        ) from error
