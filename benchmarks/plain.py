"""The study in the most ordinary PyTorch style: what ``benchmarks.speed`` measures ours against.

Models written layer by layer as facts of the study read, one JPEG file per frame read by PIL in DataLoader workers,
and a plain loop with ``.item()`` in every step. Nothing here is tuned, and nothing of ``rac_ray.models`` is used.
"""

import csv
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from rac_ray.errors import one_of
from rac_ray.identity import Recipe
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, NUM_FRAMES
from rac_ray.sweep.session import cores_here

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)
    from timesformer_pytorch import TimeSformer

NUM_CLASSES = 5
LABELS = "labels.csv"
DRAWN = TemporalShapeSpec(jpeg_quality=0)
"""Frames before their JPEG round trip, which the files are; they read back as the frames of the default spec."""

Batches = DataLoader[tuple[Tensor, Tensor]]


class ConvLSTMCell(nn.Module):
    """One step of a convolutional LSTM; gates in the order input, forget, output, candidate."""

    def __init__(self, channels: int, hidden_units: int) -> None:
        super().__init__()
        self.input_conv = nn.Conv2d(channels, 4 * hidden_units, 3, padding=1)
        self.recurrent_conv = nn.Conv2d(hidden_units, 4 * hidden_units, 3, padding=1)

    def forward(self, frame: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Frame (B, C, H, W), states (B, h, H, W) -> new states."""
        gates = self.input_conv(frame) + self.recurrent_conv(hidden)
        enter, forget, leave, candidate = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(leave) * torch.tanh(cell), cell


class ConvLSTM(nn.Module):
    """Three layers, each a loop over the frames, then pooling and batch normalisation."""

    def __init__(self, hidden_units: int) -> None:
        super().__init__()
        self.hidden_units = hidden_units
        self.cells = nn.ModuleList(ConvLSTMCell(channels, hidden_units) for channels in (1, hidden_units, hidden_units))
        self.norms = nn.ModuleList(nn.BatchNorm3d(hidden_units) for _ in self.cells)
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Linear(hidden_units * (FRAME_SIZE // 8) ** 2, NUM_CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 1, H, W) -> logits (B, 5)."""
        for step, norm in zip(self.cells, self.norms, strict=True):
            size = (len(clips), self.hidden_units, *clips.shape[-2:])
            hidden = torch.zeros(size, device=clips.device, dtype=clips.dtype)
            cell = torch.zeros(size, device=clips.device, dtype=clips.dtype)
            outputs = []
            for time in range(clips.shape[1]):
                hidden, cell = step(clips[:, time], hidden, cell)
                outputs.append(self.pool(hidden))
            clips = norm(torch.stack(outputs, dim=2)).transpose(1, 2)
        return self.classifier(clips[:, -1].flatten(1))


class CNN3D(nn.Module):
    """Three times convolution, ReLU, pooling, batch normalisation."""

    def __init__(self, hidden_units: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (1, hidden_units, hidden_units):
            layers += [nn.Conv3d(channels, hidden_units, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool3d(2), nn.BatchNorm3d(hidden_units)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(hidden_units * (NUM_FRAMES // 8) * (FRAME_SIZE // 8) ** 2, NUM_CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 1, H, W) -> logits (B, 5)."""
        return self.classifier(self.layers(clips.transpose(1, 2)).flatten(1))


def timesformer(hidden_units: int, heads: int) -> nn.Module:
    """The library's model as the study set it up."""
    return TimeSformer(
        dim=hidden_units * heads,
        dim_head=hidden_units,
        heads=heads,
        depth=3,
        num_frames=NUM_FRAMES,
        image_size=FRAME_SIZE,
        patch_size=16,
        channels=1,
        num_classes=NUM_CLASSES,
        rotary_emb=True,
        attn_dropout=0.0,
        ff_dropout=0.0,
    )


PLAIN_MODELS: dict[str, Callable[[int], nn.Module]] = {
    "convlstm": ConvLSTM,
    "cnn3d": CNN3D,
    "timesformer1": lambda hidden_units: timesformer(hidden_units, 1),
    "timesformer8": lambda hidden_units: timesformer(hidden_units, 8),
}


def build_plain(name: str, hidden_units: int) -> nn.Module:
    """The plain counterpart of ``rac_ray.models.build_model``; BadInput for an unknown name."""
    if name not in PLAIN_MODELS:
        raise one_of("model", name, PLAIN_MODELS)
    return PLAIN_MODELS[name](hidden_units)


def plain_name(name: str) -> str:
    """What the tensor ``name`` of one of our models is called in the plain one."""
    layer_of_block = re.fullmatch(r"encoder\.(\d+)\.(\d+)\.(\w+)", name)
    if layer_of_block:
        block, layer, tensor = layer_of_block.groups()
        return f"layers.{4 * int(block) + int(layer)}.{tensor}"
    name = re.sub(r"^encoder\.(\d+)\.norm\.", r"norms.\1.", name)
    return re.sub(r"^encoder\.", "cells.", name).removeprefix("transformer.")


def plain_state(ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict, or gradients by name, of one of our models under the plain model's names."""
    return {plain_name(name): value for name, value in ours.items()}


def write_jpegs(folder: Path, domain: str, split: str, count: int) -> None:
    """``<clip * 20 + frame>.jpg`` (grey, PIL's default quality of 75) and ``labels.csv``, as the study stores clips."""
    folder.mkdir(parents=True)
    labels = []
    for index in range(count):
        clip = make_clip(DRAWN, domain, split, index)
        labels.append(clip.label)
        for number, frame in enumerate(clip.frames, start=index * NUM_FRAMES):
            Image.fromarray(frame).save(folder / f"{number}.jpg")
    with open(folder / LABELS, "w", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerow(["clip", "class"])
        writer.writerows(enumerate(labels))


class JpegClips(Dataset[tuple[Tensor, Tensor]]):
    """Clips (T, 1, H, W) float in [0, 1] with their labels, every frame read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with open(folder / LABELS, newline="") as source:
            self.labels = [int(row["class"]) for row in csv.DictReader(source)]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        frames = []
        for number in range(index * NUM_FRAMES, (index + 1) * NUM_FRAMES):
            image = Image.open(self.folder / f"{number}.jpg")
            frames.append(torch.from_numpy(np.array(image)).unsqueeze(0).float() / 255)
        return torch.stack(frames), torch.tensor(self.labels[index])


def batches_of(folder: Path, batch_size: int, *, training: bool, device: torch.device) -> Batches:
    """A DataLoader over a folder of JPEG files: shuffled and without the last short batch for training."""
    return DataLoader(
        JpegClips(folder),
        batch_size=batch_size,
        shuffle=training,
        drop_last=training,
        num_workers=min(8, cores_here()),
        pin_memory=device.type == "cuda",
    )


def optimiser_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD or AdamW as the recipe has it."""
    if recipe.optimiser == "adamw":
        betas = (recipe.momentum, 0.999)
        return torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, betas=betas, weight_decay=recipe.weight_decay
        )
    return torch.optim.SGD(
        model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def train_epoch(
    model: nn.Module,
    batches: Batches,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    device: torch.device,
    after_step: Callable[[int], None] = lambda _clips: None,
    clip_norm: float | None = None,
) -> tuple[float, float]:
    """One epoch; returns the mean loss and top-1.

    ``after_step`` gets each batch's number of clips; ``clip_norm`` is the largest norm of a step's gradients.
    """
    model.train()
    loss_sum, correct, seen = 0.0, 0.0, 0
    for clips, labels in batches:
        clips, labels = clips.to(device), labels.to(device)
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):
            logits = model(clips)
            loss = functional.cross_entropy(logits, labels)
        scaler.scale(loss).backward()
        if clip_norm is not None:
            scaler.unscale_(optimiser)
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        scaler.step(optimiser)
        scaler.update()
        loss_sum += loss.item() * len(labels)
        correct += (logits.argmax(dim=1) == labels).sum().item()
        seen += len(labels)
        after_step(len(labels))
    return loss_sum / seen, correct / seen


def evaluate(
    model: nn.Module, batches: Batches, device: torch.device, after_step: Callable[[int], None] = lambda _clips: None
) -> tuple[int, int]:
    """How many clips are classified right, and of how many."""
    model.eval()
    correct, seen = 0, 0
    with torch.no_grad(), torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):
        for clips, labels in batches:
            logits = model(clips.to(device))
            correct += int((logits.argmax(dim=1) == labels.to(device)).sum().item())
            seen += len(labels)
            after_step(len(labels))
    return correct, seen
