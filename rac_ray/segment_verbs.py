"""The command line of ``sweeps/segment_divers.py``: fine-tune on frames, then make the masks of all clips."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rac_ray.arguments import Parser, integer, listed, number, run_command
from rac_ray.errors import DONE, BadInput, one_of
from rac_ray.storage import Storage

DEVICES = ("auto", "cpu", "cuda")


def segment_main(description: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of ``sweeps/segment_divers.py``."""

    def command() -> int:
        options = _parser(description).parse_args(arguments)
        return options.run(options)

    run_command(command)


def train(options: argparse.Namespace) -> int:
    """Fine-tune; a line per epoch."""
    import torch

    from rac_ray.segmentation.finetune import BEST, Row, finetune
    from rac_ray.segmentation.frames import find_frames
    from rac_ray.sweep.monitor import say_line

    if options.device not in DEVICES:
        raise one_of("device", options.device, DEVICES)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("there is no GPU that torch can use; valid: --device auto or cpu")
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(auto if options.device == "auto" else options.device)
    settings, out = _settings(options), Storage.at(options.out)

    def say(row: Row) -> None:
        figures = ", ".join(f"{name} {row[name]:.4f}" for name in ("train_loss", "val_iou_boxes", "mask_ap"))
        say_line(f"epoch {row['epoch']}: {figures}, {row['seconds']:.0f} s")

    tuned = finetune(find_frames(Path(options.frames)), out, settings, device=device, report=say)
    best = tuned.best
    print(
        f"{out.address(BEST)}: epoch {best['epoch']} of {len(tuned.epochs)}, "
        f"val_iou_boxes {best['val_iou_boxes']:.4f}, mask_ap {best['mask_ap']:.4f}"
    )
    return DONE


def masks(options: argparse.Namespace) -> int:
    """Make the masks that are missing."""
    from rac_ray.segmentation.infer import segment_clips
    from rac_ray.segmentation.network import torchvision
    from rac_ray.sweep.monitor import say_line
    from rac_ray.sweep.session import Resources, ray_session

    torchvision()
    out = Storage.at(options.out)
    with ray_session(Resources(address=options.address, num_cpus=options.num_cpus), "segment_divers"):
        found = segment_clips(
            Storage.at(options.shards),
            out,
            options.checkpoint,
            say_line,
            splits=options.splits,
            frames_per_step=options.frames_per_step,
            actors=options.actors,
        )
    print(
        f"{out.root}: masks of {found.made} of {found.shards} shards made, {found.clips:,} clips, "
        f"{found.instances:,} instances"
    )
    return DONE


def _settings(options: argparse.Namespace) -> Any:
    from rac_ray.segmentation.finetune import Settings

    given = {name: getattr(options, name) for name in Settings.__dataclass_fields__ if hasattr(options, name)}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _parser(description: str) -> Parser:
    parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="train|masks", dest="verb")
    tune = verbs.add_parser("train", help="fine-tune Mask R-CNN; the same command goes on")
    tune.set_defaults(run=train)
    tune.add_argument("frames", help="folder with images/ and masks/")
    tune.add_argument("--out", required=True, metavar="DIR", help="folder or URI for checkpoints and record.json")
    tune.add_argument("--weights", help="coco (default), none, or a file of weights")
    tune.add_argument("--holdout", help="video (default), or frames: single frames, as the authors")
    tune.add_argument("--video-pattern", metavar="REGEX", help="names of frames; the first group is the video")
    for flag, least in (("--seed", 0), ("--batch-size", 1), ("--max-epochs", 1), ("--patience", 1)):
        tune.add_argument(flag, type=integer(flag, least), metavar="N", help="default: the study's")
    for flag in ("--min-size", "--max-size"):
        tune.add_argument(flag, type=integer(flag, 32), metavar="PIXELS", help="of images (default: torchvision's)")
    tune.add_argument("--learning-rate", type=number("--learning-rate"), help="default: the study's")
    tune.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    make = verbs.add_parser("masks", help="the masks of all clips; only missing ones")
    make.set_defaults(run=masks)
    make.add_argument("shards", help="folder or URI of shards, as rac-ray diving48 decode makes them")
    make.add_argument("--checkpoint", required=True, metavar="FILE", help="best.ckpt of train, path or URI")
    make.add_argument("--out", required=True, metavar="DIR", help="folder or URI for masks")
    make.add_argument("--splits", type=listed, metavar="A,B", help="official splits (default: all)")
    make.add_argument(
        "--frames-per-step", type=integer("--frames-per-step", 1), default=4, metavar="N", help="default: %(default)s"
    )
    make.add_argument("--actors", type=integer("--actors", 1), metavar="N", help="default: one per GPU, or per CPU")
    make.add_argument("--address", help="a running Ray cluster")
    make.add_argument("--num-cpus", type=integer("--num-cpus", 1), help="of the local Ray (default: what is there)")
    return parser
