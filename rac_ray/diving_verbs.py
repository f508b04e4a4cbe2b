"""What ``rac-ray diving48 check | decode | sheet`` do."""

import argparse
from pathlib import Path

from rac_ray.errors import DONE, FAILED
from rac_ray.storage import Storage

WHERE = (
    "Diving48 V2 is to be had from http://www.svcl.ucsd.edu/projects/resound/dataset.html; unpack it so that the "
    "folder holds Diving48_V2_train.json, Diving48_V2_test.json, Diving48_vocab.json and rgb/*.mp4"
)


def check(options: argparse.Namespace) -> int:
    """Say what is wrong, or worth knowing, of a download."""
    from rac_ray.data.diving48 import check as findings_of

    findings = findings_of(Path(options.folder))
    errors = [finding for finding in findings if finding.kind == "error"]
    for finding in findings:
        print(f"{'ERROR' if finding.kind == 'error' else 'note '} {finding.sentence}")
    if errors:
        print(WHERE)
    else:
        print(f"{options.folder}: lists, vocabulary and videos are whole; whether every video decodes shows `decode`")
    return FAILED if errors else DONE


def decode(options: argparse.Namespace) -> int:
    """Decode the videos to shards; what cannot be decoded whole is listed with its reason."""
    from rac_ray.data.diving_generate import decode_videos
    from rac_ray.sweep.monitor import say_line
    from rac_ray.sweep.session import Resources, ray_session

    root = Storage.at(options.data)
    with ray_session(Resources(address=options.address, num_cpus=options.num_cpus)):
        found = decode_videos(
            Path(options.folder).absolute(), root, say_line, seconds=options.seconds, again=options.again
        )
    for clip_id, reason in sorted(found.quarantine.items()):
        print(f"QUARANTINED {clip_id} {reason}")
    print(f"{root.root}: {found.made} shards made, {found.clips:,} clips, {len(found.quarantine)} quarantined")
    return FAILED if found.quarantine else DONE


def sheet(options: argparse.Namespace) -> int:
    """Draw one clip in every domain."""
    from rac_ray.data.diving_shards import find_clip
    from rac_ray.data.masks import MaskTable
    from rac_ray.data.shape_texture import HEIGHT, WIDTH, write_sheet

    frames = find_clip(Storage.at(options.data), options.clip)
    masks, out = Path(options.masks).absolute(), Path(options.out).absolute()
    table = MaskTable.read(Storage.at(masks.parent), masks.name)
    write_sheet(Storage.at(out.parent), out.name, frames, table.clip(options.clip, len(frames), HEIGHT, WIDTH))
    print(f"{out}: {options.clip} in every domain")
    return DONE
