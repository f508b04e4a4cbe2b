"""Logits and one-step gradients of ours on a device, in each precision, against the plain model on a CPU in float64."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.agreement import distance, farthest
from benchmarks.gpu.clips import clips
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.plain import PLAIN_MODELS, build_plain, plain_state
from rac_ray.models import build_model

PRECISIONS = {
    "fp32": (None, False),
    "tf32": (None, True),
    "16-mixed": (torch.float16, True),
    "bf16-mixed": (torch.bfloat16, True),
}
"""By name: what autocast multiplies in, and whether float32 products may leave out bits."""
ON_CPU = ("fp32", "bf16-mixed")
LARGEST_SCALE = 2.0**16
"""Of a loss in float16: what GradScaler begins with, and halves until no gradient overflows."""
COMPARED_WORK = 256
"""Clips times hidden units: float64 on a CPU is slow."""


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row per model, size and precision."""
    for hidden_units in sizes.compared_hidden_units:
        count = max(2, min(16, sizes.batch, COMPARED_WORK // hidden_units))
        drawn = clips("mnist_bg", "train", count)
        frames, labels = torch.from_numpy(drawn.frames).unsqueeze(2), torch.from_numpy(drawn.labels)
        for model in PLAIN_MODELS:
            exact = _exact(model, hidden_units, frames, labels)
            for name in PRECISIONS if device.type == "cuda" else ON_CPU:
                key = {"model": model, "hidden_units": hidden_units, "precision": name, "clips": count}
                batch = frames.to(device), labels.to(device)
                yield tried(key, lambda name=name, key=key, batch=batch, exact=exact: _compared(key, batch, exact))


Outputs = tuple[Tensor, dict[str, Tensor]]


def _exact(model: str, hidden_units: int, frames: Tensor, labels: Tensor) -> Outputs:
    torch.manual_seed(0)
    plain = build_plain(model, hidden_units)
    plain.load_state_dict(plain_state(build_model_anew(model, hidden_units).state_dict()))
    logits = plain.double()(frames.double() / 255)
    functional.cross_entropy(logits, labels).backward()
    return logits.detach(), {name: value.grad for name, value in plain.named_parameters() if value.grad is not None}


def build_model_anew(model: str, hidden_units: int) -> torch.nn.Module:
    """Always with the same weights."""
    torch.manual_seed(0)
    return build_model(model, hidden_units)


def _compared(key: Row, batch: tuple[Tensor, Tensor], exact: Outputs) -> Row:
    dtype, fewer_bits = PRECISIONS[key["precision"]]
    scale = LARGEST_SCALE if dtype == torch.float16 else 1.0
    with tf32(fewer_bits):
        while True:
            logits, gradients = _outputs(build_model_anew(key["model"], key["hidden_units"]), *batch, dtype, scale)
            if scale == 1 or all(bool(value.isfinite().all()) for value in gradients.values()):
                break
            scale /= 2
    whole = torch.cat([gradients[name].flatten() for name in exact[1]])
    apart, parameter = farthest(gradients, exact[1])
    return {
        "logits": distance(logits, exact[0]),
        "gradient": distance(whole, torch.cat([value.flatten() for value in exact[1].values()])),
        "farthest": apart,
        "parameter": parameter,
        "loss_scale": scale,
    }


def _outputs(
    model: torch.nn.Module, frames: Tensor, labels: Tensor, dtype: torch.dtype | None, scale: float
) -> Outputs:
    """Logits (B, 5) and gradients by the plain model's names, on the CPU."""
    model.to(frames.device).train()
    with torch.autocast(frames.device.type, dtype, enabled=dtype is not None):
        logits = model(frames.float().div_(255))
        loss = functional.cross_entropy(logits, labels)
    (loss * scale).backward()
    found = {name: value.grad / scale for name, value in model.named_parameters() if value.grad is not None}
    return logits.detach().cpu(), {name: value.cpu() for name, value in plain_state(found).items()}


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether a GPU's products of float32 may leave out bits meanwhile."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
