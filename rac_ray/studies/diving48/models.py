"""Diving48's models, built at their published sizes."""

from typing import Any

from torch import nn

from rac_ray.errors import one_of
from rac_ray.models import Builder
from rac_ray.studies.diving48.sizes import CHANNELS, FRAME_SIZE, NUM_CLASSES, NUM_FRAMES, SIZES, Size

CLIP_SHAPE = {"num_frames": NUM_FRAMES, "frame_size": FRAME_SIZE, "channels": CHANNELS, "num_classes": NUM_CLASSES}


def builder(size: Size, **options: Any) -> Builder:
    """A model at a size, yet to be built; ``options`` are the architecture's own, or replace the size's."""
    return Builder(size.architecture, size.hidden_units).with_options(**{**CLIP_SHAPE, **size.options, **options})


def build_size(name: str, **options: Any) -> nn.Module:
    """A model at a published size, on torch's default device, initialised as ``build_model`` does.

    ``options`` go to the architecture (TimeSformer: ``checkpointing=True``) or replace a size's own. Raises BadInput
    for an unknown name.
    """
    if name not in SIZES:
        raise one_of("size", name, SIZES)
    return builder(SIZES[name], **options)()
