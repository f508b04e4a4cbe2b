"""torchvision for tests where its compiled operations do not load, as beside a build of torch for CPUs.

PyPI's torchvision is compiled against torch for CUDA. Beside another build not even ``import torchvision`` works, nor
do libraries that import it when it is installed (torchmetrics, and so Lightning): it is therefore installed in a folder
that no interpreter looks into, and ``supply`` brings it in, with the two operations that Mask R-CNN needs in plain
torch. They are slow, and no part of the project. Where torchvision works, ``supply`` does nothing.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

import torch
from torch import Tensor

APART = Path(__file__).parents[2] / ".venv/apart"
"""Where ``make`` installs torchvision."""
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
)
_libraries: list[torch.library.Library] = []


def available() -> bool:
    """Whether torchvision is installed, here or apart."""
    return importlib.util.find_spec("torchvision") is not None or (APART / "torchvision").is_dir()


def supply() -> None:
    """Make ``import torchvision`` and Mask R-CNN work in this process."""
    if _libraries:
        return
    if importlib.util.find_spec("torchvision") is None:
        sys.path.append(str(APART))
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _register()


def _register() -> None:
    definitions = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        definitions.define(schema)
    definitions.impl("nms", nms, "CPU")
    definitions.impl("roi_align", roi_align, "CompositeImplicitAutograd")
    _libraries.append(definitions)
    importlib.import_module("torchvision")
    for name in ("extension", "ops.roi_align"):
        vars(sys.modules[f"torchvision.{name}"])["_has_ops"] = lambda: True


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes (N, 4) that no better one overlaps by more than ``iou_threshold``, best first."""
    order = scores.argsort(descending=True, stable=True)
    boxes = dets[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    alive, kept = torch.ones(len(boxes), dtype=torch.bool), []
    for place in range(len(boxes)):
        if not alive[place]:
            continue
        kept.append(place)
        first, last = torch.maximum(boxes[:, :2], boxes[place, :2]), torch.minimum(boxes[:, 2:], boxes[place, 2:])
        shared = (last - first).clamp(min=0).prod(dim=1)
        alive &= ~(shared / (areas + areas[place] - shared) > iou_threshold)
    return order[torch.tensor(kept, dtype=torch.int64)]


def roi_align(
    input: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Mean of bilinear samples in a grid of bins: features (B, C, H, W), rois (K, 5) to (K, C, height, width).

    Bilinear sampling and the mean are linear in rows and in columns, so that each roi is a product of two matrices.
    """
    shift = 0.5 if aligned else 0.0
    corners = rois[:, 1:] * spatial_scale - shift
    sizes = corners[:, 2:] - corners[:, :2]
    if not aligned:
        sizes = sizes.clamp(min=1.0)
    down = _weights(corners[:, 1], sizes[:, 1], pooled_height, sampling_ratio, input.shape[2])
    across = _weights(corners[:, 0], sizes[:, 0], pooled_width, sampling_ratio, input.shape[3])
    pooled = input.new_zeros((len(rois), input.shape[1], pooled_height, pooled_width))
    for image in range(len(input)):
        mine = torch.nonzero(rois[:, 0] == image).flatten()
        rows = torch.einsum("kph,chw->kpcw", down[mine], input[image])
        pooled = pooled.index_copy(0, mine, torch.einsum("kpcw,kqw->kcpq", rows, across[mine]))
    return pooled


def _weights(start: Tensor, size: Tensor, bins: int, samples: int, length: int) -> Tensor:
    """(K, bins, length): what each bin takes of each row or column of the features.

    ``samples`` of 0 or less: as many in a bin as it has rows or columns, rounded up.
    """
    count = torch.full_like(size, samples) if samples > 0 else (size / bins).ceil().clamp(min=1)
    step = torch.arange(int(count.max()) if len(count) else 1, dtype=start.dtype)
    used = (step < count[:, None]).to(start.dtype) / count[:, None]
    places = torch.arange(bins)[:, None] + ((step + 0.5) / count[:, None])[:, None]
    at = start[:, None, None] + places * size[:, None, None] / bins
    inside = ((at >= -1) & (at <= length)).to(start.dtype) * used[:, None]
    tent = (1 - (at.clamp(0, length - 1)[..., None] - torch.arange(length)).abs()).clamp(min=0)
    return (tent * inside[..., None]).sum(dim=2)
