"""The verbs of ``rac-ray diving48``: check, decode, sheet."""

from pathlib import Path

from rac_ray.counted import counted
from rac_ray.errors import DONE, FAILED
from rac_ray.store.storage import Storage

WHERE = (
    "Diving48 V2 is to be had from http://www.svcl.ucsd.edu/projects/resound/dataset.html; unpack it so that the "
    "folder holds Diving48_V2_train.json, Diving48_V2_test.json, Diving48_vocab.json and rgb/*.mp4"
)


def check(folder: str) -> int:
    """Say what is wrong, or worth knowing, of a download.

    Parameters
    ----------
    folder
        The download, with Diving48_V2_train.json and rgb/.

    Examples
    --------
    rac-ray diving48 check DIVING48
    """
    from rac_ray.studies.diving48.lists import check as findings_of

    findings = findings_of(Path(folder))
    errors = [finding for finding in findings if finding.kind == "error"]
    for finding in findings:
        print(f"{'ERROR' if finding.kind == 'error' else 'note '} {finding.sentence}")
    if errors:
        print(WHERE)
    else:
        print(f"{folder}: lists, vocabulary and videos are whole; whether every video decodes shows `decode`")
    return FAILED if errors else DONE


def decode(
    folder: str,
    data: str,
    *,
    seconds: float = 60.0,
    again: bool = False,
    address: str | None = None,
    num_cpus: int | None = None,
) -> int:
    """Decode the videos to shards; what cannot be decoded whole is listed with its reason.

    Parameters
    ----------
    folder
        The download, with Diving48_V2_train.json and rgb/.
    data
        Folder or URI for shards.
    seconds
        Most that one video may take.
    again
        Also try videos again that were left out and are still the same files; others are tried in any case.
    address
        A running Ray cluster whose machines see the download.
    num_cpus
        CPUs of the local Ray (default: what is there).

    Examples
    --------
    rac-ray diving48 decode DIVING48 data/diving48
    rac-ray diving48 decode DIVING48 s3://my-bucket/diving48 --address auto
    """
    from rac_ray.data.generate import generate
    from rac_ray.studies.diving48.dataset import OfficialVideos
    from rac_ray.sweep.monitor import say_line
    from rac_ray.sweep.resources import Resources
    from rac_ray.sweep.session import ray_session

    root, dataset = Storage.at(data), OfficialVideos.at(Path(folder).absolute(), seconds=seconds)
    dataset.require_own(root)
    with ray_session(Resources(address=address, num_cpus=num_cpus)):
        found = generate(root, dataset, say_line, again=again)
    for clip_id, reason in sorted(found.left_out.items()):
        print(f"LEFT OUT {clip_id} {reason}")
    clips = counted(found.clips, "clip", spec=",")
    print(f"{root.root}: {counted(found.made, 'shard')} made, {clips}, {len(found.left_out)} left out")
    return FAILED if found.left_out else DONE


def sheet(data: str, masks: str, clip: str, *, out: str = "domains.png") -> int:
    """Draw one clip in every domain.

    Parameters
    ----------
    data
        Folder or URI of shards.
    masks
        Parquet file of masks, or a folder of them.
    clip
        A clip's id.
    out
        The picture.

    Examples
    --------
    rac-ray diving48 sheet data/diving48 data/masks 8SLxUm_EbPQ_00001 --out domains.png
    """
    from rac_ray.data.manifest import require_manifest, shard_contents
    from rac_ray.data.masks import HEIGHT, WIDTH, MaskTable, require_made_of
    from rac_ray.studies.diving48.dataset import find_clip
    from rac_ray.studies.diving48.shape_texture import write_sheet

    frames = find_clip(Storage.at(data), clip)
    manifest = require_manifest(Storage.at(data))
    of_masks, picture = Path(masks).absolute(), Path(out).absolute()
    require_made_of(str(of_masks), shard_contents(manifest, manifest["splits"]))
    table = MaskTable.read(Storage.at(of_masks.parent), of_masks.name)
    write_sheet(Storage.at(picture.parent), picture.name, frames, table.clip(clip, len(frames), HEIGHT, WIDTH))
    print(f"{picture}: {clip} in every domain")
    return DONE
