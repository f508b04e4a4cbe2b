"""What Diving48's models cost at their published sizes, counted on PyTorch's meta device: no GPU, no data.

Operations are of convolutions, matrix products and attention, two per multiplication and addition; a training step has
three times those of a forward pass. Memory is ``rac_ray.training.memory``'s, without workspaces.
"""

from functools import partial

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from rac_ray.results.formats import markdown
from rac_ray.studies.diving48.models import build_size
from rac_ray.studies.diving48.sizes import CHANNELS, FRAME_SIZE, NUM_FRAMES, SIZES
from rac_ray.training.memory import step_memory

CLIP = (NUM_FRAMES, CHANNELS, FRAME_SIZE, FRAME_SIZE)
BATCH = 8
"""Clips per worker (facts.md 3.2)."""
CHECKPOINTED = "timesformer8"
"""Architecture that can compute its layers again."""


def forward_operations(name: str) -> int:
    """Of one clip."""
    with torch.device("meta"):
        model, clip = build_size(name).eval(), torch.empty(1, *CLIP)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(clip)
    return counter.get_total_flops()


def row(name: str, checkpointing: bool) -> list[str]:
    """Cells of one size: parameters, operations, memory of a clip and of a batch in 32 and in 16 bits."""
    options = {"checkpointing": True} if checkpointing else {}
    found = [step_memory(partial(build_size, name, **options), CLIP, dtype=d) for d in (torch.float32, torch.float16)]
    return [
        f"{name}{', checkpointed' if checkpointing else ''}",
        f"{SIZES[name].parameters:,}",
        f"{forward_operations(name) / 1e12:.2f}",
        *(f"{each.per_clip / 1e9:.2f}" for each in found),
        *(f"{each.of(BATCH) / 1e9:.1f}" for each in found),
    ]


def main() -> None:
    heads = [
        "model",
        "parameters",
        "forward, 10^12 operations per clip",
        "GB per clip, 32 bits",
        "GB per clip, 16 bits",
    ]
    heads += [f"GB of {BATCH} clips, 32 bits", f"GB of {BATCH} clips, 16 bits"]
    rows = [row(name, checkpointing) for name, size in SIZES.items() for checkpointing in _variants(size.architecture)]
    print(markdown(pd.DataFrame(rows, columns=heads), "clips of 32 frames of 224 x 224 pixels; counted, not measured"))


def _variants(architecture: str) -> tuple[bool, ...]:
    return (False, True) if architecture == CHECKPOINTED else (False,)


if __name__ == "__main__":
    main()
