"""A small download in Diving48's official layout, with real videos if they are asked for."""

import json
from pathlib import Path

from rac_ray.studies.diving48.lists import FILES, VIDEOS, VOCABULARY, VOCABULARY_FILE
from tests.data.videos import write_video


def entries(split: str, count: int) -> list[dict[str, object]]:
    """Clips of four source videos a split, labels in turn, named as the official ones are."""
    return [
        {"vid_name": f"{split}Video{index % 4}_{index:05d}", "label": index % 48, "start_frame": 0, "end_frame": 60}
        for index in range(count)
    ]


def write_download(folder: Path, train: int = 8, test: int = 4, *, videos: bool = False) -> Path:
    """Annotations, vocabulary and, empty or real, the videos."""
    (folder / VIDEOS).mkdir(parents=True)
    (folder / VOCABULARY_FILE).write_text(json.dumps(VOCABULARY))
    for split, count in (("train", train), ("test", test)):
        clips = entries(split, count)
        (folder / FILES[split]).write_text(json.dumps(clips))
        for number, clip in enumerate(clips):
            path = folder / VIDEOS / f"{clip['vid_name']}.mp4"
            write_video(path, 40 + number) if videos else path.touch()
    return folder
