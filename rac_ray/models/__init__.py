"""The models under comparison, by name. Each takes clips (B, T, C, H, W) float in [0, 1] to logits (B, num_classes).

A model of your own is one decorator: ``@register("mine")`` above its class, or above a function that builds it.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from torch import nn

from rac_ray.errors import BadInput, one_of
from rac_ray.models.bag import BagOfFrames
from rac_ray.models.cnn2plus1d import CNN2Plus1D
from rac_ray.models.cnn3d import CNN3D
from rac_ray.models.convgru import ConvGRU
from rac_ray.models.convlru import ConvLRU
from rac_ray.models.convlstm import ConvLSTM
from rac_ray.models.timesformer import TimeSformerClassifier
from rac_ray.models.vivit import ViViT

Make = Callable[..., nn.Module]
"""``make(hidden_units, *, num_frames, frame_size, channels, num_classes, **options)``."""
Made = TypeVar("Made", bound=Make)

MODELS: dict[str, Make] = {
    "convlstm": ConvLSTM,
    "cnn3d": CNN3D,
    "timesformer1": partial(TimeSformerClassifier, heads=1),
    "timesformer8": partial(TimeSformerClassifier, heads=8),
    "cnn2plus1d": CNN2Plus1D,
    "convgru": ConvGRU,
    "convlru": ConvLRU,
    "vivit": ViViT,
    "bag": BagOfFrames,
}
CLASHES: set[str] = set()
"""Names that two models were registered by."""
MOST_HIDDEN_UNITS = 65_536
"""With more of them the size of a layer's weights may overflow."""
USUAL_SHAPE = {"num_frames": 20, "frame_size": 64, "channels": 1, "num_classes": 5}
"""Shape of clips and classes that a model is built for unless somebody says otherwise: Temporal Shape's."""


def register(name: str) -> Callable[[Made], Made]:
    """Decorator of a model's class, or of a function that builds it: any study knows it by ``name`` from then on.

    It is called as ``make(hidden_units, *, num_frames, frame_size, channels, num_classes)``, with ints, and gives an
    nn.Module that takes clips (B, T, C, H, W) float32 in [0, 1] to logits (B, num_classes). Its initialisation comes
    from torch's global generator; to count its parameters it is built on torch's ``meta`` device, too. Workers get
    the object itself, so that it may be defined in the script that is run. A name that is taken is an error as soon as
    a model of that name is asked for, so that a command can tell of it in one sentence.
    """

    def added(make: Made) -> Made:
        if MODELS.setdefault(name, make) is not make:
            CLASHES.add(name)
        return make

    return added


def build_model(name: str, hidden_units: int, **options: Any) -> nn.Module:
    """Build a model of the registry with PyTorch's default initialisation, drawn from torch's global generator.

    ``options`` replace numbers of ``USUAL_SHAPE``, or are the architecture's own: kernels, head and so on.

    Raises BadInput for an unknown name, one that two models have, or hidden units below 1 (TimeSformer: odd).
    """
    return Builder(name, hidden_units).with_options(**options)()


@dataclass(frozen=True)
class Builder:
    """A model of the registry, yet to be built; equal ones build the same. Other processes need no registry for it.

    Raises BadInput as ``build_model`` does for names, and for hidden units below 1 or so many that
    sizes of weights may overflow.
    """

    name: str
    hidden_units: int
    options: tuple[tuple[str, Any], ...] = ()
    """Options in place of ``USUAL_SHAPE``, and the architecture's own, as sorted pairs."""
    make: Make = field(init=False, repr=False, compare=False)
    """The function that the registry has by that name."""

    def __post_init__(self) -> None:
        if self.name not in MODELS:
            raise one_of("model", self.name, MODELS)
        if self.name in CLASHES:
            raise BadInput(f"there are two models of the name {self.name!r}; give one of them another name")
        if not 1 <= self.hidden_units <= MOST_HIDDEN_UNITS:
            raise BadInput(f"hidden units are {self.hidden_units}; valid: 1 to {MOST_HIDDEN_UNITS}")
        object.__setattr__(self, "make", MODELS[self.name])

    def with_options(self, **options: Any) -> "Builder":
        """The same model with these options on top of its own."""
        return replace(self, options=tuple(sorted({**dict(self.options), **options}.items())))

    @property
    def any_length(self) -> bool:
        """Whether a model takes clips of another length than it was built for; its class says so as ``any_length``."""
        return getattr(self.make.func if isinstance(self.make, partial) else self.make, "any_length", False)

    def takes(self, option: str) -> bool:
        """Whether the architecture has an option of that name."""
        return option in inspect.signature(self.make).parameters

    def __call__(self) -> nn.Module:
        """Raises BadInput for hidden units that the architecture does not take."""
        return self.make(self.hidden_units, **{**USUAL_SHAPE, **dict(self.options)})


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
