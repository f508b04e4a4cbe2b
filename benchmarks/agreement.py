"""Do the plain models and ours say the same? Same weights, same clips: logits and the gradient of every parameter.

Distances are relative, ``|a - b| / |b|`` in the Euclidean norm of a tensor. Gradients in float32 are sums over up to
millions of positions that cancel in part, so two orders of summation differ by more than the limit for logits: the
plain model's own gradients lie up to 1e-3 from those of its float64 run, and up to 1e-1 in a TimeSformer of two hidden
units, whose normalisation over two numbers leaves almost nothing of a gradient. In the models that pool, two values
that are equal but for rounding send the gradient to another place: either side may have more of those. Gradients
therefore also agree when the farthest of ours is not ``ROUNDING`` times as far from the float64 run as the farthest of
the plain model's, or within ``TIES``.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.plain import build_plain, plain_state
from rac_ray.models import build_model

LIMITS = {torch.float32: 1e-5, torch.float16: 2e-2}
"""Of relative distances, by the precision of the arithmetic."""
ROUNDING = 4.0
TIES = 1e-3
"""Relative: ConvLSTM of 48 hidden units, five drawings of four or five clips, 4e-5 to 8e-4 here, 3e-5 to 2e-4 plain."""
LOSS_SCALE = 2.0**16
"""What GradScaler begins with: without it gradients in 16 bits vanish."""


@dataclass(frozen=True)
class Agreement:
    """How far ours is from the plain model, in one precision."""

    model: str
    hidden_units: int
    precision: str
    clips: int
    limit: float
    training_logits: float
    evaluation_logits: float
    """Of the same clips in evaluation mode, with the running statistics that the training step left."""
    gradient: float
    """The farthest of ours from the plain model's."""
    parameter: str
    """Whose gradient that is, by its name in the plain model."""
    ours_from_float64: float
    """The farthest of our gradients from those of the plain model in float64 ..."""
    plain_from_float64: float
    """... and the farthest of the plain model's."""

    @property
    def holds(self) -> bool:
        logits_agree = max(self.training_logits, self.evaluation_logits) <= self.limit
        return logits_agree and (
            self.gradient <= self.limit or self.ours_from_float64 <= max(TIES, ROUNDING * self.plain_from_float64)
        )

    def complaint(self) -> str:
        """What does not agree, in one sentence."""
        return (
            f"{self.model} h={self.hidden_units} in {self.precision} is not the plain model: logits differ by "
            f"{self.training_logits:.1e} in training and {self.evaluation_logits:.1e} in evaluation (valid: up to "
            f"{self.limit:.0e}), the gradient of {self.parameter} by {self.gradient:.1e}; from float64 gradients are "
            f"{self.ours_from_float64:.1e} away, the plain model's {self.plain_from_float64:.1e}"
        )


@dataclass(frozen=True)
class Outputs:
    """What one training step and one evaluation gave."""

    training_logits: Tensor
    evaluation_logits: Tensor
    gradients: dict[str, Tensor]


def distance(one: Tensor, other: Tensor) -> float:
    """``|one - other| / |other|``; 0 for equal tensors, infinite for another one than 0."""
    one, other = one.double(), other.double()
    apart, size = float((one - other).norm()), float(other.norm())
    return apart / size if size else (0.0 if not apart else math.inf)


def farthest(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> tuple[float, str]:
    """The largest distance of a tensor from its namesake among ``others``, and its name."""
    return max((distance(some[name], value), name) for name, value in others.items())


def outputs_of(model: nn.Module, frames: Tensor, labels: Tensor, dtype: torch.dtype) -> Outputs:
    """Training step, then evaluation, in float64, in float32, or (float16) as autocast does it."""
    half = dtype == torch.float16
    full = torch.float32 if half else dtype
    model.train().to(frames.device, full)
    clips, scale = frames.to(full) / 255, LOSS_SCALE if half else 1.0
    with torch.autocast(frames.device.type, torch.float16, enabled=half):
        training = model(clips)
        loss = functional.cross_entropy(training, labels)
    (loss * scale).backward()
    gradients = {name: value.grad / scale for name, value in model.named_parameters() if value.grad is not None}
    model.eval()
    with torch.inference_mode(), torch.autocast(frames.device.type, torch.float16, enabled=half):
        evaluation = model(clips)
    return Outputs(training.detach(), evaluation, gradients)


def compare(name: str, hidden_units: int, frames: Tensor, labels: Tensor, dtype: torch.dtype) -> Agreement:
    """Compare on clips (B, T, 1, H, W) uint8 with labels (B,), both on the device to compare on."""
    torch.manual_seed(0)
    model = build_model(name, hidden_units)
    weights = {key: value.clone() for key, value in plain_state(model.state_dict()).items()}

    def plain(precision: torch.dtype) -> Outputs:
        counterpart = build_plain(name, hidden_units)
        counterpart.load_state_dict(weights)
        return outputs_of(counterpart, frames, labels, precision)

    with _all_bits():
        ours, theirs = outputs_of(model, frames, labels, dtype), plain(dtype)
        exact = plain(torch.float64).gradients
    gradients = plain_state(ours.gradients)
    gradient, parameter = farthest(gradients, theirs.gradients)
    return Agreement(
        model=name,
        hidden_units=hidden_units,
        precision=str(dtype).removeprefix("torch."),
        clips=len(labels),
        limit=LIMITS[dtype],
        training_logits=distance(ours.training_logits, theirs.training_logits),
        evaluation_logits=distance(ours.evaluation_logits, theirs.evaluation_logits),
        gradient=gradient,
        parameter=parameter,
        ours_from_float64=farthest(gradients, exact)[0],
        plain_from_float64=farthest(theirs.gradients, exact)[0],
    )


@contextmanager
def _all_bits() -> Iterator[None]:
    """A GPU's convolutions multiply float32 with all its bits meanwhile, which they do not by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
