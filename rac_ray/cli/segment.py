"""Divers in Diving48: fine-tune Mask R-CNN on frames, then make the masks of all clips."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from cyclopts import App

from rac_ray.cli.derive import call
from rac_ray.cli.exits import run_command
from rac_ray.counted import counted
from rac_ray.errors import DONE, BadInput, needs_extra, one_of
from rac_ray.segmentation.settings import Settings
from rac_ray.store.files import BEST_CHECKPOINT
from rac_ray.store.storage import Storage
from rac_ray.sweep.options import require_some, words

DEVICES = ("auto", "cpu", "cuda")
DESCRIPTION = """Divers in Diving48: fine-tune Mask R-CNN on the released frames, then make masks of all clips.

Broomé et al., WACV 2023, section 3.3 and supplemental: 303 frames, COCO weights, SGD, at most 100 epochs.

    python sweeps/segment_divers.py train FRAMES --out results/segmentation
    python sweeps/segment_divers.py masks data/diving48 --splits test \\
        --checkpoint results/segmentation/best.ckpt --out data/masks
"""


def segment_main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of ``sweeps/segment_divers.py``."""
    from rac_ray.cli.command import add

    def parsed() -> int:
        app = App(name="segment_divers.py", help=DESCRIPTION, help_format="plaintext", version_flags=[])
        add(app, "train", train)
        add(app, "masks", masks)
        return call(app, list(sys.argv[1:] if arguments is None else arguments))

    run_command(parsed)


def train(frames: str, *, out: str, device: str = "auto", settings: Settings) -> int:
    """Fine-tune Mask R-CNN; the same command goes on.

    Parameters
    ----------
    frames
        Folder with images/ and masks/.
    out
        Folder or URI for checkpoints and record.json.
    device
        One of auto, cpu, cuda.

    Examples
    --------
    rac-ray diving48 segment FRAMES --out results/segmentation
    """
    import torch

    with needs_extra("segmentation"):
        from rac_ray.segmentation.finetune import finetune
        from rac_ray.segmentation.frames import find_frames
    from rac_ray.sweep.monitor import say_line

    if device not in DEVICES:
        raise one_of("device", device, DEVICES)
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInput("there is no GPU that torch can use; valid: --device auto or cpu")
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    chosen, folder = torch.device(auto if device == "auto" else device), Storage.at(out)

    def say(row: dict[str, Any]) -> None:
        figures = ", ".join(f"{name} {row[name]:.4f}" for name in ("train_loss", "val_iou_boxes", "mask_ap"))
        say_line(f"epoch {row['epoch'] + 1}: {figures}, {row['seconds']:.0f} s")

    tuned = finetune(find_frames(Path(frames)), folder, settings, device=chosen, report=say)
    best = tuned.best
    print(
        f"{folder.address(BEST_CHECKPOINT)}: epoch {best['epoch'] + 1} of {len(tuned.epochs)}, "
        f"val_iou_boxes {best['val_iou_boxes']:.4f}, mask_ap {best['mask_ap']:.4f}"
    )
    return DONE


def masks(
    shards: str,
    *,
    checkpoint: str,
    out: str,
    splits: str | None = None,
    frames_per_step: int = 4,
    actors: int | None = None,
    address: str | None = None,
    num_cpus: int | None = None,
) -> int:
    """Make the masks of all clips; only missing ones.

    Parameters
    ----------
    shards
        Folder or URI of shards, as rac-ray diving48 decode makes them.
    checkpoint
        The best.ckpt of the fine-tuning, path or URI.
    out
        Folder or URI for masks.
    splits
        Official splits, as in train,test (default: all).
    frames_per_step
        Frames that the network sees at once.
    actors
        Processes (default: one per GPU, or per CPU).
    address
        A running Ray cluster.
    num_cpus
        CPUs of the local Ray (default: what is there).

    Examples
    --------
    rac-ray diving48 masks data/diving48 --splits test --checkpoint best.ckpt --out data/masks
    """
    with needs_extra("segmentation"):
        from rac_ray.segmentation.infer import require_positive, segment_clips
        from rac_ray.segmentation.network import torchvision
    from rac_ray.sweep.monitor import say_line
    from rac_ray.sweep.resources import Resources
    from rac_ray.sweep.session import ray_session

    wanted = None if splits is None else words(splits)
    require_some("splits", wanted)
    require_positive(frames_per_step, actors)
    torchvision()
    folder = Storage.at(out)
    with ray_session(Resources(address=address, num_cpus=num_cpus), "segment_divers"):
        found = segment_clips(
            Storage.at(shards),
            folder,
            checkpoint,
            say_line,
            splits=wanted,
            frames_per_step=frames_per_step,
            actors=actors,
        )
    print(
        f"{folder.root}: masks of {found.made} of {counted(found.shards, 'shard')} made, "
        f"{counted(found.clips, 'clip', spec=',')}, {counted(found.instances, 'instance', spec=',')}"
    )
    return DONE
