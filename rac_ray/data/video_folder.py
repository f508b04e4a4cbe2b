"""A folder of labelled videos, ``DOMAIN/CLASS/FILE.mp4``: which videos are in it, and which clips they are to become.

The source domain is cut into ``train``, ``val`` and ``test`` by a hash of each file's name, so that a video stays in
its split whatever is added or taken away. Of a target domain all videos are ``test``.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rac_ray.counted import counted
from rac_ray.errors import BadInput, one_of
from rac_ray.identity import digest_of, seed_for

ENDINGS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
"""Of files that are videos, in small or capital letters; other files are left alone."""
SOURCE_SPLITS = ("train", "val", "test")
BY_NAME = "a hash of their names puts none there; valid: more videos, or other shares"
RESERVED = ",=/"
"""Characters that the name of a domain has none of: they mean something in options and in paths of shards."""


@dataclass(frozen=True)
class LabelledVideo:
    """One file, as a listing tells of it."""

    domain: str
    class_name: str
    name: str
    size: int
    """Bytes."""
    modified: int
    """Nanoseconds since 1970."""

    @property
    def path(self) -> str:
        """Below the folder."""
        return f"{self.domain}/{self.class_name}/{self.name}"


@dataclass(frozen=True)
class Arrangement:
    """Which videos become the clips of which ``domain/split``."""

    source: str
    classes: tuple[str, ...]
    """Names of the source's folders, in their order; a label is a place among them."""
    parts: Mapping[str, Sequence[LabelledVideo]]
    """In the order of their paths."""

    def require_clips(self, left_out: Mapping[str, str]) -> None:
        """Raise BadInput unless what is left without some videos (reasons by their paths) suffices.

        Every class is in the source's ``train``; its ``val`` and ``test`` have one clip or more; and no class that a
        target's folder has is empty.
        """
        for part, videos in self.parts.items():
            domain, split = part.split("/")
            there = {video.class_name for video in videos if video.path not in left_out}
            whole = {video.class_name for video in videos} if domain != self.source else {*self.classes}
            lacking = sorted(whole - there) if domain != self.source or split == "train" else []
            if lacking or not there:
                of_class = f" of class {lacking[0]!r}" if lacking else ""
                below = f"{domain}/{lacking[0]}/" if lacking else f"{domain}/"
                reasons = [f"{path} {reason}" for path, reason in left_out.items() if path.startswith(below)]
                raise BadInput(f"{part} is left without a video{of_class}: {reasons[0] if reasons else BY_NAME}")


def domains_in(folder: Path) -> list[str]:
    """Names of the domains' folders. Raises BadInput for a folder that is none, or has none."""
    if not folder.is_dir():
        raise BadInput(f"folder of videos {str(folder)!r} is missing; valid: one that holds DOMAIN/CLASS/*.mp4")
    found = _folders(folder)
    if not found:
        raise BadInput(f"folder of videos {str(folder)!r} has no folders of domains; valid: DOMAIN/CLASS/*.mp4 in it")
    return found


def arranged(folder: Path, source: str, targets: Sequence[str], shares: Sequence[float]) -> Arrangement:
    """The videos of a source and of its targets (none named: all other domains), cut into splits.

    ``shares`` are those of train, val and test. Raises BadInput for domains that are not there, for fewer than two
    classes, for classes that the source does not have, and for parts that would be empty.
    """
    domains = domains_in(folder)
    if source not in domains:
        raise one_of("source domain", source, domains)
    others = [domain for domain in domains if domain != source]
    for target in targets:
        if target not in others:
            raise one_of("target domain", target, others)
    for domain in (source, *(targets or others)):
        if set(RESERVED) & set(domain):
            raise BadInput(f"domain {domain!r} has one of the characters {RESERVED} in its name; give it another one")
    classes = tuple(_folders(folder / source))
    if len(classes) < 2:
        raise BadInput(f"domain {source!r} has {counted(len(classes), 'folder')} of classes; valid: two or more")
    found: dict[str, list[LabelledVideo]] = {f"{source}/{split}": [] for split in SOURCE_SPLITS}
    for video in videos_of(folder, source, classes):
        found[f"{source}/{split_of(video.name, shares)}"].append(video)
    for target in targets or others:
        found[f"{target}/test"] = videos_of(folder, target, classes)
    arrangement = Arrangement(source, classes, found)
    arrangement.require_clips({})
    return arrangement


def videos_of(folder: Path, domain: str, classes: Collection[str]) -> list[LabelledVideo]:
    """The videos of a domain, in the order of their paths.

    Raises BadInput for a class that is not among ``classes``, and for one without videos.
    """
    found = []
    for name in _folders(folder / domain):
        if name not in classes:
            raise one_of(f"class of domain {domain!r}", name, classes)
        files = [path for path in sorted((folder / domain / name).iterdir()) if not path.name.startswith(".")]
        videos = [(path.name, _stat(path)) for path in files if path.suffix.lower() in ENDINGS]
        if not videos:
            raise BadInput(f"{domain}/{name} has no videos; valid: files that end in {', '.join(ENDINGS)}")
        found += [LabelledVideo(domain, name, file, stat.st_size, stat.st_mtime_ns) for file, stat in videos]
    return found


def split_of(name: str, shares: Sequence[float]) -> str:
    """The split of the source's video of that file name: the same in every class, domain and folder."""
    place = seed_for("split", name) / 2**63
    train, val, _ = shares
    return "train" if place < train else "val" if place < train + val else "test"


def listing(videos: Sequence[LabelledVideo]) -> str:
    """Digest of names, sizes and times: while it stays, nobody has touched the files."""
    return digest_of([[video.path, video.size, video.modified] for video in videos])


def _stat(path: Path) -> os.stat_result:
    """Raises BadInput for a link to nothing, and for a name that no table can hold."""
    try:
        path.name.encode()
        return path.stat()
    except UnicodeEncodeError as error:
        raise BadInput(f"video {str(path)!a} has a name that is not UTF-8; rename it") from error
    except OSError as error:
        raise BadInput(f"video {str(path)!r} cannot be read ({error.strerror})") from error


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
