"""README's first picture: what makes it, and that it is there."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from docs.picture import MILLISECONDS, SCALE, SHOWN, picture
from tests.results.conftest import sweep_folder, trials

__all__ = ["sweep_folder", "trials"]

ROOT = Path(__file__).parents[2]


def test_the_picture_moves_above_a_figure_that_stays(sweep_folder: Path) -> None:
    made = Image.open(io.BytesIO(picture(sweep_folder)))
    assert (made.format, made.n_frames) == ("PNG", 20)  # type: ignore[attr-defined]
    frames = []
    for number in range(20):
        made.seek(number)
        frames.append(np.asarray(made.convert("RGB")))
        assert made.info["duration"] == MILLISECONDS
    changed = np.flatnonzero((np.stack(frames) != frames[0]).any(axis=(0, 2, 3)))
    assert 0 < np.ptp(changed) < 64 * SCALE
    assert frames[0].shape[0] > changed.max() + 100
    assert len(SHOWN) == 4


def test_readme_begins_with_it() -> None:
    line = (ROOT / "README.md").read_text().splitlines()[2]
    assert line.startswith("![One path in four domains")
    with Image.open(ROOT / "docs/pictures/product.png") as shown:
        assert shown.n_frames == 20  # type: ignore[attr-defined]
