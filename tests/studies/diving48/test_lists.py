"""Every way in which a download can be wrong, with its exact sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import rac_ray.studies.diving48.lists as diving48
from rac_ray.errors import BadInput
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.studies.diving48.lists import (
    CLIPS,
    FILES,
    VOCABULARY,
    VOCABULARY_FILE,
    Annotation,
    Finding,
    authors_split,
    check,
    grouped_split,
    read_annotations,
)
from tests.data.diving_files import entries, write_download


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whole, with the small counts standing in for the official ones."""
    monkeypatch.setattr(diving48, "CLIPS", {"train": 50, "test": 48})
    return write_download(tmp_path / "diving48", 50, 48)


def rewrite(folder: Path, split: str, change) -> None:
    path = folder / FILES[split]
    clips = json.loads(path.read_text())
    change(clips)
    path.write_text(json.dumps(clips))


def errors(folder: Path) -> list[str]:
    return [finding.sentence for finding in check(folder) if finding.kind == "error"]


def test_a_whole_download_has_no_findings(download: Path) -> None:
    assert check(download) == []
    clips = read_annotations(download, "test")
    assert (len(clips), clips[1]) == (48, Annotation("testVideo1_00001", 1))
    assert (clips[1].source_video, clips[1].label_name) == ("testVideo1", "Back, 15som, 15Twis, FREE")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "..",
        ".",
        "/etc/passwd",
        "../other",
        "a/b",
        "a\\b",
        "C:a",
        "._a_00001",
        "a\n1",
        "a\x1b[2J",
        "\ud800",
        "a" * 201,
    ],
)
def test_a_name_that_is_none_of_a_file_is_refused(name: str, download: Path) -> None:
    rewrite(download, "train", lambda clips: clips[3].update(vid_name=name))
    sentence = f"entry 3 of {FILES['train']} has vid_name {name[:200]!a}; valid: the name of a file in rgb/"
    assert sentence in errors(download)
    with pytest.raises(BadInput) as refused:
        OfficialVideos.at(download)
    assert str(refused.value) == sentence
    assert sentence.isprintable()


def test_hidden_files_are_no_videos(download: Path) -> None:
    (download / "rgb/._trainVideo0_00000.mp4").touch()
    assert check(download) == []


def test_the_vocabulary_is_the_papers() -> None:
    """Section 4.2: class 34 is an inward takeoff, 2.5 somersaults, no twist, tuck. Sorted, four attributes, unique."""
    assert VOCABULARY[34] == ("Inward", "25som", "NoTwis", "TUCK")
    assert len(set(VOCABULARY)) == 48
    assert list(VOCABULARY) == sorted(VOCABULARY)
    assert {len(row) for row in VOCABULARY} == {4}
    assert CLIPS == {"train": 15_027, "test": 1_970}


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no folder '.*none'; valid: the one that has Diving48_V2_train\.json"):
        check(tmp_path / "none")


def test_version_1_taken_for_version_2(download: Path) -> None:
    (download / FILES["train"]).rename(download / "Diving48_train.json")
    assert errors(download)[0] == (
        "Diving48_V2_train.json is missing; Diving48_train.json, which is there, is of version 1"
    )
    write = (download / FILES["train"]).write_text
    write(json.dumps(entries("train", 60)))
    assert errors(download)[0] == "Diving48_V2_train.json lists 60 clips; version 2 has 50, version 1 more"
    write(json.dumps(entries("train", 49)))
    assert errors(download) == ["Diving48_V2_train.json lists 49 clips; version 2 has 50"]


def test_missing_and_broken_lists(download: Path) -> None:
    path = download / FILES["test"]
    path.write_text('[{"vid_name": "a"')
    assert errors(download)[0].startswith("Diving48_V2_test.json is no whole JSON (")
    path.write_text("{}")
    assert errors(download)[0] == "Diving48_V2_test.json is no list of clips"
    path.unlink()
    assert errors(download)[0] == "Diving48_V2_test.json is missing"


@pytest.mark.parametrize("label", [48, -1, "3", None, True, 2.5])
def test_a_label_out_of_range(label: object, download: Path) -> None:
    rewrite(download, "train", lambda clips: clips[7].update(label=label))
    assert errors(download)[0] == (
        f"clip trainVideo3_00007 of Diving48_V2_train.json has label {label!r}; valid: 0 to 47"
    )


def test_an_entry_without_a_name(download: Path) -> None:
    rewrite(download, "train", lambda clips: clips[3].pop("vid_name"))
    assert errors(download)[0] == "entry 3 of Diving48_V2_train.json has no vid_name"


def test_a_wrong_vocabulary(download: Path) -> None:
    path = download / VOCABULARY_FILE
    path.write_text(json.dumps(VOCABULARY[:40]))
    assert errors(download) == ["Diving48_vocab.json has 40 classes instead of 48"]
    path.write_text(json.dumps([["Back", "15som"], *VOCABULARY[1:]]))
    assert errors(download) == [
        "class 0 of Diving48_vocab.json is ['Back', '15som'] instead of ['Back', '15som', '05Twis', 'FREE']"
    ]
    path.unlink()
    assert errors(download) == ["Diving48_vocab.json is missing"]


def test_missing_and_surplus_videos(download: Path) -> None:
    for index in range(5):
        (download / f"rgb/testVideo{index % 4}_{index:05d}.mp4").unlink()
    (download / "rgb/other_00001.mp4").touch()
    assert check(download) == [
        Finding(
            "error",
            "rgb/ lacks 5 of 98 videos: testVideo0_00000, testVideo0_00004, testVideo1_00001 and 2 more",
        ),
        Finding("note", "rgb/ has 1 video that no list names: other_00001"),
    ]
    for path in (download / "rgb").iterdir():
        path.unlink()
    (download / "rgb").rmdir()
    assert errors(download) == ["the folder rgb/ is missing"]


def test_clips_and_source_videos_in_both_splits(download: Path) -> None:
    rewrite(download, "test", lambda clips: clips[0].update(vid_name="trainVideo0_00000"))
    (download / "rgb/testVideo0_00000.mp4").unlink()
    assert check(download) == [
        Finding("error", "train and test both list trainVideo0_00000"),
        Finding("note", "1 source videos are in train and in test, with 1 of 48 test clips"),
    ]


def test_a_clip_listed_twice_and_a_class_without_clips(download: Path) -> None:
    rewrite(download, "train", lambda clips: clips[1].update(vid_name="trainVideo0_00000", label=0))
    (download / "rgb/trainVideo1_00001.mp4").unlink()
    assert [finding.sentence for finding in check(download)] == [
        "Diving48_V2_train.json lists trainVideo0_00000 more than once",
    ]
    rewrite(download, "test", lambda clips: clips[5].update(label=0))
    assert "Diving48_V2_test.json has no clip of class 5" in [finding.sentence for finding in check(download)]


def official(count: int = 15_027) -> list[Annotation]:
    return [Annotation(f"v{index // 40}_{index:05d}", index % 48) for index in range(count)]


def test_the_authors_split_is_random_splits() -> None:
    clips = official()
    split = authors_split(clips)
    assert {name: len(each) for name, each in split.items()} == {"train": 13_525, "val": 1_502}
    positions: Any = range(len(clips))
    parts = torch.utils.data.random_split(positions, [13_525, 1_502], torch.Generator().manual_seed(42))
    assert [clips[i] for i in parts[1].indices] == split["val"]


def test_the_grouped_split_has_no_source_video_on_both_sides() -> None:
    clips = official()
    split = grouped_split(clips)
    sources = {name: {clip.source_video for clip in each} for name, each in split.items()}
    assert not sources["train"] & sources["val"]
    assert len(split["train"]) + len(split["val"]) == len(clips)
    assert 1_502 - 40 < len(split["val"]) <= 1_502
    assert grouped_split(clips) == split
