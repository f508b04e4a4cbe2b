"""Pictures of a dataset: one contact sheet, and a GIF per class and domain."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from skimage.util import montage

from rac_ray.data.manifest import label_names, read_split, require_manifest
from rac_ray.data.shards import channels_last
from rac_ray.store.storage import Storage

GIF_SCALE = 3
GIF_MILLISECONDS = 80
SHEET_STEP = 2


def first_of_each_class(root: Storage) -> dict[tuple[str, str], NDArray[np.uint8]]:
    """The first clip of each (domain, class) that the folder's first split of the domain holds.

    (T, H, W), or (T, H, W, 3) in colour.
    """
    manifest = require_manifest(root)
    parts = {part.partition("/")[0]: part for part in reversed(manifest["splits"])}
    found: dict[tuple[str, str], NDArray[np.uint8]] = {}
    for domain, part in sorted(parts.items()):
        clips = read_split(root, part)
        frames = channels_last(clips.frames)
        for label, name in enumerate(label_names(root, part)):
            places = np.flatnonzero(clips.labels == label)
            if len(places):
                found[domain, name] = frames[places[0]]
    return found


def write_preview(root: Storage, out: Path) -> list[Path]:
    """Write ``contact-sheet.png`` and ``<domain>-<class>.gif`` into ``out``; returns the files."""
    clips = first_of_each_class(root)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "contact-sheet.png"]
    _contact_sheet(clips).savefig(files[0], dpi=100)
    for (domain, name), frames in clips.items():
        files.append(out / f"{domain}-{name}.gif")
        large = frames.repeat(GIF_SCALE, axis=1).repeat(GIF_SCALE, axis=2)
        images = [Image.fromarray(frame) for frame in large]
        images[0].save(files[-1], save_all=True, append_images=images[1:], duration=GIF_MILLISECONDS, loop=0)
    return files


def _contact_sheet(clips: dict[tuple[str, str], NDArray[np.uint8]]) -> Figure:
    """Rows are (domain, class), columns are every second frame, and of longer clips fewer."""
    fewest = min(map(len, clips.values()))
    columns = len(range(0, fewest, SHEET_STEP))
    rows = np.stack([frames[:: SHEET_STEP * len(frames) // fewest][:columns] for frames in clips.values()])
    height, colours = rows.shape[2], rows.shape[4:]
    options = {"channel_axis": -1, "fill": [96] * 3} if colours else {"fill": 96}
    sheet = montage(rows.reshape(-1, *rows.shape[2:]), grid_shape=rows.shape[:2], padding_width=2, **options)
    figure = Figure(figsize=(10, 0.8 * len(clips) + 0.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255)
    centres = 2 + (height + 2) * np.arange(len(clips)) + height / 2
    axes.set_yticks(centres, [f"{domain}  {name}" for domain, name in clips])
    axes.set_xticks([])
    return figure
