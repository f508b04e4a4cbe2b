"""Diving48 as it is published: annotations, vocabulary, splits, and whether a download is whole and of version 2.

The files are not redistributed here. http://www.svcl.ucsd.edu/projects/resound/dataset.html offers
``Diving48_V2_train.json``, ``Diving48_V2_test.json``, ``Diving48_vocab.json`` and the videos, ``rgb/<vid_name>.mp4``.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rac_ray.counted import counted
from rac_ray.data.order import torch_permutation
from rac_ray.errors import BadInput

CLASSES = 48
CLIPS = {"train": 15_027, "test": 1_970}
"""Of version 2, by official split (facts.md 3.1)."""
FILES = {"train": "Diving48_V2_train.json", "test": "Diving48_V2_test.json"}
FIRST_VERSION = {"train": "Diving48_train.json", "test": "Diving48_test.json"}
VOCABULARY_FILE = "Diving48_vocab.json"
VIDEOS = "rgb"
ATTRIBUTES = ("takeoff", "somersaults", "twists", "position")
AUTHORS_SEED, AUTHORS_VAL = 42, 1_502
"""Of the authors' random split of the official train list (facts.md 3.1)."""
LONGEST_NAME = 200
"""Bytes of a clip's name; file systems take 255 with an ending."""
NAMED = 3
"""How many of many are named in a sentence."""

VOCABULARY: tuple[tuple[str, str, str, str], ...] = tuple(
    (takeoff, somersaults, twists, position)
    for takeoff, somersaults, twists, position in (
        line.split(", ")
        for line in """
Back, 15som, 05Twis, FREE
Back, 15som, 15Twis, FREE
Back, 15som, 25Twis, FREE
Back, 15som, NoTwis, PIKE
Back, 15som, NoTwis, TUCK
Back, 25som, 15Twis, PIKE
Back, 25som, 25Twis, PIKE
Back, 25som, NoTwis, PIKE
Back, 25som, NoTwis, TUCK
Back, 2som, 15Twis, FREE
Back, 2som, 25Twis, FREE
Back, 35som, NoTwis, PIKE
Back, 35som, NoTwis, TUCK
Back, 3som, NoTwis, PIKE
Back, 3som, NoTwis, TUCK
Back, Dive, NoTwis, PIKE
Back, Dive, NoTwis, TUCK
Forward, 15som, 1Twis, FREE
Forward, 15som, 2Twis, FREE
Forward, 15som, NoTwis, PIKE
Forward, 1som, NoTwis, PIKE
Forward, 25som, 1Twis, PIKE
Forward, 25som, 2Twis, PIKE
Forward, 25som, 3Twis, PIKE
Forward, 25som, NoTwis, PIKE
Forward, 25som, NoTwis, TUCK
Forward, 35som, NoTwis, PIKE
Forward, 35som, NoTwis, TUCK
Forward, 45som, NoTwis, TUCK
Forward, Dive, NoTwis, PIKE
Forward, Dive, NoTwis, STR
Inward, 15som, NoTwis, PIKE
Inward, 15som, NoTwis, TUCK
Inward, 25som, NoTwis, PIKE
Inward, 25som, NoTwis, TUCK
Inward, 35som, NoTwis, TUCK
Inward, Dive, NoTwis, PIKE
Reverse, 15som, 05Twis, FREE
Reverse, 15som, 15Twis, FREE
Reverse, 15som, 25Twis, FREE
Reverse, 15som, 35Twis, FREE
Reverse, 15som, NoTwis, PIKE
Reverse, 25som, 15Twis, PIKE
Reverse, 25som, NoTwis, PIKE
Reverse, 25som, NoTwis, TUCK
Reverse, 35som, NoTwis, TUCK
Reverse, Dive, NoTwis, PIKE
Reverse, Dive, NoTwis, TUCK
""".strip().splitlines()
    )
)
"""Class id -> takeoff, somersaults, twists, position; numbers are times ten, as in ``15som`` (facts.md section 6)."""


@dataclass(frozen=True)
class Annotation:
    """One clip of the official lists."""

    video_id: str
    label: int

    @property
    def source_video(self) -> str:
        """The recording that the clip was cut from: its id less the number behind the last underscore."""
        return self.video_id.rpartition("_")[0]

    @property
    def label_name(self) -> str:
        """As in ``Back, 15som, 05Twis, FREE``."""
        return ", ".join(VOCABULARY[self.label])


@dataclass(frozen=True)
class Finding:
    """Something about a download."""

    kind: Literal["error", "note"]
    sentence: str


def read_annotations(folder: Path, split: str) -> list[Annotation]:
    """The clips of an official split, in the order of its file. Raises BadInput for what is no such file."""
    name = FILES[split]
    entries = _parsed(folder / name)
    if not isinstance(entries, list):
        raise BadInput(f"{name} is no list of clips")
    annotations = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("vid_name"), str):
            raise BadInput(f"entry {number} of {name} has no vid_name")
        if not _is_file_name(entry["vid_name"]):
            shown = ascii(entry["vid_name"][:LONGEST_NAME])
            raise BadInput(f"entry {number} of {name} has vid_name {shown}; valid: the name of a file in {VIDEOS}/")
        label = entry.get("label")
        if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < CLASSES:
            raise BadInput(f"clip {entry['vid_name']} of {name} has label {label!r}; valid: 0 to {CLASSES - 1}")
        annotations.append(Annotation(entry["vid_name"], label))
    return annotations


def _is_file_name(name: str) -> bool:
    """Whether it names one file that is not hidden, in any folder of any system."""
    plain = name.isprintable() and not name.startswith(".") and not set(name) & set("/\\:")
    return bool(name.strip()) and plain and len(name.encode()) <= LONGEST_NAME


def check(folder: Path) -> list[Finding]:
    """All that is wrong, or worth knowing, of a folder in the official layout. Raises BadInput without a folder."""
    if not folder.is_dir():
        raise BadInput(f"there is no folder {str(folder)!r}; valid: the one that has {FILES['train']} and {VIDEOS}/")
    findings, clips = [_vocabulary(folder)], {}
    for split in FILES:
        try:
            clips[split] = read_annotations(folder, split)
        except BadInput as error:
            findings.append(Finding("error", str(error)))
        else:
            findings += _list_findings(split, clips[split])
    if len(clips) == len(FILES):
        findings += _overlaps(clips["train"], clips["test"])
    findings += _video_findings(folder, [clip.video_id for each in clips.values() for clip in each])
    return [finding for finding in findings if finding is not None]


def authors_split(train: Sequence[Annotation]) -> dict[str, list[Annotation]]:
    """``train`` and ``val`` as the authors' ``random_split`` with seed 42 cut the official train list."""
    order = torch_permutation(len(train), AUTHORS_SEED).tolist()
    first = len(train) - round(len(train) * AUTHORS_VAL / CLIPS["train"])
    return {"train": [train[i] for i in order[:first]], "val": [train[i] for i in order[first:]]}


def grouped_split(train: Sequence[Annotation]) -> dict[str, list[Annotation]]:
    """``train`` and ``val`` of about the same sizes, no source video on both sides.

    Whole source videos go to ``val``, in a random order with the same seed, until it has its share of the clips.
    """
    by_source: dict[str, list[Annotation]] = {}
    for clip in train:
        by_source.setdefault(clip.source_video, []).append(clip)
    sources = sorted(by_source)
    wanted = round(len(train) * AUTHORS_VAL / CLIPS["train"])
    val: list[Annotation] = []
    for place in torch_permutation(len(sources), AUTHORS_SEED).tolist():
        if len(val) + len(by_source[sources[place]]) <= wanted:
            val += by_source[sources[place]]
    chosen = {clip.video_id for clip in val}
    return {"train": [clip for clip in train if clip.video_id not in chosen], "val": val}


SPLITS = {"authors": authors_split, "grouped": grouped_split}
"""Ways to cut the official train list."""


def _parsed(path: Path) -> Any:
    first = {FILES[split]: name for split, name in FIRST_VERSION.items()}.get(path.name)
    if not path.is_file():
        there = f"; {first}, which is there, is of version 1" if first and (path.parent / first).is_file() else ""
        raise BadInput(f"{path.name} is missing{there}")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise BadInput(f"{path.name} is no whole JSON ({error})") from error


def _vocabulary(folder: Path) -> Finding | None:
    try:
        found = _parsed(folder / VOCABULARY_FILE)
    except BadInput as error:
        return Finding("error", str(error))
    if not isinstance(found, list) or len(found) != CLASSES:
        count = len(found) if isinstance(found, list) else "no"
        return Finding("error", f"{VOCABULARY_FILE} has {count} classes instead of {CLASSES}")
    for number, (row, expected) in enumerate(zip(found, VOCABULARY, strict=True)):
        if row != list(expected):
            return Finding("error", f"class {number} of {VOCABULARY_FILE} is {row!r} instead of {list(expected)!r}")
    return None


def _list_findings(split: str, clips: Sequence[Annotation]) -> list[Finding]:
    findings = []
    if len(clips) != CLIPS[split]:
        sentence = f"{FILES[split]} lists {counted(len(clips), 'clip', spec=',')}; version 2 has {CLIPS[split]:,}"
        findings.append(Finding("error", sentence + (", version 1 more" if len(clips) > CLIPS[split] else "")))
    twice = [video_id for video_id, count in Counter(clip.video_id for clip in clips).items() if count > 1]
    if twice:
        findings.append(Finding("error", f"{FILES[split]} lists {_some(twice)} more than once"))
    empty = sorted(set(range(CLASSES)) - {clip.label for clip in clips})
    if empty:
        findings.append(Finding("note", f"{FILES[split]} has no clip of class {_some([str(each) for each in empty])}"))
    return findings


def _overlaps(train: Sequence[Annotation], test: Sequence[Annotation]) -> list[Finding]:
    findings = []
    both = sorted({clip.video_id for clip in train} & {clip.video_id for clip in test})
    if both:
        findings.append(Finding("error", f"train and test both list {_some(both)}"))
    sources = sorted({clip.source_video for clip in train} & {clip.source_video for clip in test})
    if sources:
        count = sum(clip.source_video in set(sources) for clip in test)
        sentence = (
            f"{len(sources):,} source videos are in train and in test, with {count:,} of {len(test):,} test clips"
        )
        findings.append(Finding("note", sentence))
    return findings


def _video_findings(folder: Path, wanted: Sequence[str]) -> list[Finding]:
    videos = folder / VIDEOS
    if not videos.is_dir():
        return [Finding("error", f"the folder {VIDEOS}/ is missing")]
    there = {path.stem for path in videos.glob("[!.]*.mp4")}
    findings = []
    missing, surplus = sorted(set(wanted) - there), sorted(there - set(wanted))
    if missing:
        findings.append(
            Finding("error", f"{VIDEOS}/ lacks {len(missing):,} of {len(wanted):,} videos: {_some(missing)}")
        )
    if surplus:
        said = counted(len(surplus), "video", spec=",")
        findings.append(Finding("note", f"{VIDEOS}/ has {said} that no list names: {_some(surplus)}"))
    return findings


def _some(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
