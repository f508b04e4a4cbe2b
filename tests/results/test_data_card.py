"""The data card: its front matter as Hugging Face reads it, counts and hashes against the records and real shards."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from huggingface_hub import DatasetCard

from rac_ray.data.shards import write_shard
from rac_ray.identity import Recipe
from rac_ray.results.analysis import Analysis
from rac_ray.results.data_card import data_card, parts_of
from rac_ray.results.tables import load
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.other import OtherStudy
from rac_ray.studies.study import Study
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec
from rac_ray.studies.temporal_shape.study import TemporalShape
from tests.results.conftest import scored, trials_of, write

TRIALS = trials_of(Recipe(precision="32"))
PARTS = ("2dot/test", "2dot/train", "2dot/val", "5dot/test", "mnist/test")
CLIPS = GeneratedClips(TemporalShapeSpec(), dict(zip(PARTS, (100, 4000, 100, 100, 100), strict=True)))


def record_of(**changes: Any) -> Record:
    content = {part: f"{number:064x}" for number, part in enumerate(PARTS)}
    made = {"dataset": CLIPS.as_dict(PARTS), "content": content, "variants": {"spec": "released"}}
    return msgspec.structs.replace(scored(TRIALS[0]), **{**made, **changes})


def text_of(records: list[Record], folder: Path, study: Study) -> str:
    for record in records:
        write(Ledger(Storage.at(folder)), record)
    return data_card(Analysis(load(folder), study), records).decode()


def front_of(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n", 2)[1])


def table_of(card: str) -> list[list[str]]:
    lines = card.split("## Clips\n")[1].split("\n## ")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.startswith("|")]
    return [cells[0], *cells[2:]]


def test_hugging_face_reads_the_front_matter(tmp_path: Path) -> None:
    card = DatasetCard(text_of([record_of()], tmp_path / "sweep", TemporalShape()), ignore_metadata_errors=False)
    told = card.data.to_dict()
    assert (told["license"], told["pretty_name"]) == ("cc-by-sa-3.0", "Temporal Shape")
    assert told["task_categories"] == ["video-classification"]
    assert told["size_categories"] == ["1K<n<10K"]
    assert [config["config_name"] for config in told["configs"]] == ["2dot", "5dot", "mnist"]


def test_counts_uses_and_hashes_are_the_records(tmp_path: Path) -> None:
    record = record_of()
    head, *rows = table_of(text_of([record], tmp_path / "sweep", TemporalShape()))
    assert head == ["domain", "split", "clips", "used for", "content"]
    uses = {"2dot/train": "training", "2dot/val": "validation"}
    assert sorted(rows) == sorted(
        [*part.split("/"), str(CLIPS.clips[part]), uses.get(part, "evaluation"), record.content[part][:16]]
        for part in PARTS
    )


def test_its_configs_name_the_files_that_shards_have(tmp_path: Path) -> None:
    """Of real shards: each pattern finds all shards of its split and no other."""
    clips = GeneratedClips(TemporalShapeSpec(), {"2dot/train": 501, "2dot/val": 2, "2dot/test": 1, "mnist/test": 2})
    root, maker = Storage.at(tmp_path / "data"), clips.maker()
    for shards in clips.parts().values():
        for shard in shards:
            write_shard(root, shard, clips.layout(shard.part), maker(shard), {})
    record = record_of(dataset=clips.as_dict(clips.clips), content={}, evaluations=[])
    configs = front_of(data_card(Analysis(load(_written(record, tmp_path)), TemporalShape()), [record]).decode())[
        "configs"
    ]
    found = {
        f"{config['config_name']}/{each['split']}": sorted(
            str(path.relative_to(tmp_path / "data")) for path in (tmp_path / "data").glob(each["path"])
        )
        for config in configs
        for each in config["data_files"]
    }
    assert found == {part: [shard.name for shard in shards] for part, shards in clips.parts().items()}


def _written(record: Record, folder: Path) -> Path:
    write(Ledger(Storage.at(folder / "sweep")), scored(TRIALS[0]))
    return folder / "sweep"


def test_what_decides_the_pixels_is_told_with_its_seed(tmp_path: Path) -> None:
    card = text_of([record_of()], tmp_path / "sweep", TemporalShape())
    (told,) = re.findall(r"```json\n(.*?)```", card, re.DOTALL)
    expected = {name: value for name, value in CLIPS.as_dict(PARTS).items() if name != "clips"}
    assert yaml.safe_load(told) == expected
    assert yaml.safe_load(told)["spec"]["seed"] == 0


def test_both_specs_stand_apart() -> None:
    paper = GeneratedClips(TemporalShapeSpec.paper_text(), CLIPS.clips)
    other = record_of(
        dataset=paper.as_dict(PARTS), content=dict.fromkeys(PARTS, f"{9:064x}"), variants={"spec": "paper"}
    )
    parts = parts_of([record_of(), record_of(), other])
    assert len(parts) == 2 * len(PARTS)
    assert set(parts["variant"]) == {"spec=released", "spec=paper"}


def test_clips_that_nobody_counted_are_a_dash(tmp_path: Path) -> None:
    """Records of a study that says neither what its clips are made from nor what their pixels are."""
    record = scored(TRIALS[0])
    card = text_of([record], tmp_path / "sweep", OtherStudy("mine"))
    head, *rows = table_of(card)
    assert head == ["domain", "split", "clips", "used for", "content"]
    assert sorted(rows) == [
        ["2dot", "test", "100", "evaluation", "-"], ["2dot", "val", "100", "validation", "-"],
        ["5dot", "test", "100", "evaluation", "-"], ["mnist", "test", "100", "evaluation", "-"],
    ]  # fmt: skip
    front = front_of(card)
    assert front["license"] == "unknown"
    assert front["size_categories"] == ["n<1K"]
    assert "configs" not in front
    assert "Nobody has stated a licence." in card
    DatasetCard(card, ignore_metadata_errors=False)


def test_places_on_the_machine_are_not_told(tmp_path: Path) -> None:
    class Mine(OtherStudy):
        facts = TemporalShape.facts

    record = record_of(dataset={"kind": "labelled_videos", "data": "/home/me/clips", "classes": ["a", "b"]})
    card = text_of([record], tmp_path / "sweep", Mine("mine"))
    assert "labelled_videos" in card
    assert "## Classes\n\n- 0: a\n- 1: b\n" in card
    assert "/home/me" not in card


@pytest.mark.parametrize(
    ("clips", "words"), [(999, "n<1K"), (1000, "1K<n<10K"), (10**5, "100K<n<1M"), (10**6, "1M<n<10M")]
)
def test_sizes_are_told_in_hugging_faces_words(clips: int, words: str, tmp_path: Path) -> None:
    record = record_of(dataset={"clips": {"a/train": clips}}, content={}, evaluations=[])
    card = data_card(Analysis(load(_written(record, tmp_path)), OtherStudy("mine")), [record]).decode()
    assert front_of(card)["size_categories"] == [words]
