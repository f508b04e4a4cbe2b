"""README's first picture: one path in four domains of Temporal Shape, moving, above the main figure of a sweep.

Made by ``python docs/picture.py results/ts_grid docs/pictures/product.png 72`` after ``rac-ray ts import reference``;
the number is that of the trials that are planned.
"""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

import rac_ray
from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import figure3
from rac_ray.results.looks import rendered
from rac_ray.studies import study_of
from rac_ray.studies.temporal_shape.domains import PAIRED, TemporalShapeSpec, make_clip

SHOWN = {"2dot": "2Dot (trained on)", "5dot": "5Dot", "mnist": "MNIST", "mnist_bg": "MNIST-bg"}
"""Four domains of the demo, and what stands above each."""
CLIP = 12
"""Number of the paired clip, a spiral."""
INCHES, PIXELS = 10.8, 150
"""Width of the picture, and pixels of an inch."""
SCALE, MILLISECONDS, WHITE = 5, 120, 255


def picture(sweep: Path, planned: int | None = None) -> bytes:
    """An animated PNG. Where animations cannot be shown it is the clip's first frame."""
    tables = rac_ray.load(sweep)
    analysis = Analysis(tables, study_of(tables), planned)
    names = _pixels(rendered(_names, "png"))
    below = _pixels(rendered(lambda: figure3(analysis, analysis.answers.sources[0]), "png"))
    clips = [make_clip(TemporalShapeSpec(), domain, PAIRED, CLIP).frames for domain in SHOWN]
    images = [Image.fromarray(_stacked([names, _row(frames), below])) for frames in zip(*clips, strict=True)]
    sink = BytesIO()
    images[0].save(sink, "PNG", save_all=True, append_images=images[1:], duration=MILLISECONDS, loop=0, optimize=True)
    return sink.getvalue()


def _names() -> Figure:
    figure = Figure(figsize=(INCHES, 0.4))
    for place, name in enumerate(SHOWN.values()):
        figure.text((place + 0.5) / len(SHOWN), 0.4, name, ha="center", va="center", fontsize=12)
    return figure


def _row(frames: tuple[NDArray[np.uint8], ...]) -> NDArray[np.uint8]:
    """Frames (H, W) side by side, each in the middle of its part of the width."""
    width = round(INCHES * PIXELS / len(frames))
    large = [frame.repeat(SCALE, axis=0).repeat(SCALE, axis=1) for frame in frames]
    return np.concatenate([_widened(frame[:, :, None].repeat(3, axis=2), width) for frame in large], axis=1)


def _stacked(parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    width = max(part.shape[1] for part in parts)
    return np.concatenate([_widened(part, width) for part in parts])


def _widened(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """(H, W, 3) with white on both sides."""
    left, rest = divmod(width - pixels.shape[1], 2)
    return np.pad(pixels, ((0, 0), (left, left + rest), (0, 0)), constant_values=WHITE)


def _pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


if __name__ == "__main__":
    _, results, file, *planned = sys.argv
    Path(file).write_bytes(picture(Path(results), *map(int, planned)))
