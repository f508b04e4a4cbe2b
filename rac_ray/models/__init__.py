"""The models under comparison, by name. Each takes clips (B, T, C, H, W) float in [0, 1] to logits (B, num_classes)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from rac_ray.errors import BadInput, one_of
from rac_ray.models.cnn3d import CNN3D
from rac_ray.models.convlstm import ConvLSTM
from rac_ray.models.timesformer import TimeSformerClassifier

MODELS: dict[str, Callable[..., nn.Module]] = {
    "convlstm": ConvLSTM,
    "cnn3d": CNN3D,
    "timesformer1": partial(TimeSformerClassifier, heads=1),
    "timesformer8": partial(TimeSformerClassifier, heads=8),
}


def build_model(
    name: str,
    hidden_units: int,
    *,
    num_frames: int = 20,
    frame_size: int = 64,
    channels: int = 1,
    num_classes: int = 5,
    **options: Any,
) -> nn.Module:
    """Build a model of the registry with PyTorch's default initialisation, drawn from torch's global generator.

    ``options`` are the architecture's own: kernels, head and so on; without them it is Temporal Shape's.

    Raises BadInput for an unknown name or hidden units below 1 (TimeSformer: odd).
    """
    if name not in MODELS:
        raise one_of("model", name, MODELS)
    if hidden_units < 1:
        raise BadInput(f"hidden units are {hidden_units}; valid: 1 or more")
    return MODELS[name](
        hidden_units,
        num_frames=num_frames,
        frame_size=frame_size,
        channels=channels,
        num_classes=num_classes,
        **options,
    )


@dataclass(frozen=True)
class Builder:
    """A model of the registry, yet to be built; equal ones build the same."""

    name: str
    hidden_units: int
    options: tuple[tuple[str, Any], ...] = ()
    """Of ``build_model``, as sorted pairs."""

    def __call__(self) -> nn.Module:
        """Raises BadInput as ``build_model`` does."""
        return build_model(self.name, self.hidden_units, **dict(self.options))


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
