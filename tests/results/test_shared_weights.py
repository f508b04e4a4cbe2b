"""Weights that are shared: back to the bit, with what they are of, and never a pickle."""

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors import safe_open
from torch import nn

from rac_ray import load_exported, load_model
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe, Trial
from rac_ray.models import MODELS, register
from rac_ray.results.shared_weights import CONFIG, WEIGHTS, share, shareable, without_places
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record, read_record
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.results import shape_names
from rac_ray.training.checkpoints import as_bytes
from tests.results.conftest import scored, trials_of
from tests.results.shared import finished

CLIPS = torch.rand(3, 20, 1, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return finished(tmp_path / "sweep", trials_of(Recipe(precision="32"))[::2])


def exported(sweep: Path, record: Record, to: Path) -> Path:
    share(Ledger(Storage.at(sweep)), record, record.trials[0], Storage.at(to), shape_names(5))
    return to


@pytest.mark.parametrize("which", range(4))
def test_a_model_comes_back_with_logits_equal_to_the_bit(which: int, records: list[Record], tmp_path: Path) -> None:
    folder = exported(tmp_path / "sweep", records[which], tmp_path / "out")
    ours, theirs = load_model(records[which].training_id, tmp_path / "sweep"), load_exported(folder)
    assert not theirs.training
    with torch.no_grad():
        assert torch.equal(ours(CLIPS), theirs(CLIPS))
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]


def test_the_file_says_what_it_is_of(records: list[Record], tmp_path: Path) -> None:
    record = records[0]
    folder = exported(tmp_path / "sweep", record, tmp_path / "out")
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        said = file.metadata()
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    assert json.loads(said.pop("recipe")) == msgspec.to_builtins(record.recipe)
    assert said == {
        "format": "pt", "trial_id": record.training_id, "training_id": record.training_id, "training_version": "2",
        "study": "ts_grid", "model": "cnn3d", "hidden_units": "2", "source": "2dot", "seed": "0",
        "rac_ray": said["rac_ray"],
    }  # fmt: skip
    weights = load_model(record.training_id, tmp_path / "sweep").state_dict()
    assert shapes == {name: list(value.shape) for name, value in weights.items()}
    config = json.loads((folder / CONFIG).read_text())
    assert (config["name"], config["epoch"]) == ("cnn3d h=2 2dot seed=0", 3)
    assert config["classes"] == ["circle", "spiral", "line", "rectangle", "arc"]


def test_the_same_record_gives_the_same_bytes(records: list[Record], tmp_path: Path) -> None:
    """Whatever the order in which the library writes metadata, which is another one at each call."""
    first = exported(tmp_path / "sweep", records[0], tmp_path / "first")
    for name in ("second", "third"):
        again = exported(tmp_path / "sweep", records[0], tmp_path / name)
        assert [(again / file).read_bytes() == (first / file).read_bytes() for file in (CONFIG, WEIGHTS)] == [True] * 2


def test_neither_the_machines_name_nor_its_places_are_shared(records: list[Record], tmp_path: Path) -> None:
    text = (exported(tmp_path / "sweep", records[0], tmp_path / "out") / CONFIG).read_text()
    assert "my-machine" not in text
    assert "/home/me" not in text
    told = read_record(json.dumps(json.loads(text)["record"]).encode())
    assert told == shareable(records[0], records[0].trials[0])
    assert (told.host, told.dataset) == ("", {**(records[0].dataset or {}), "data": ""})
    assert told.evaluations == records[0].evaluations


def test_places_are_left_out_at_any_depth() -> None:
    given = {"a": ["/x", "s3://bucket/y", "~/z", "mnist", 3], "b": {"c": "/x"}, "d": None}
    assert without_places(given) == {"a": ["", "", "", "mnist", 3], "b": {"c": ""}, "d": None}


class Bomb:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


def test_a_pickle_in_place_of_the_weights_is_refused(records: list[Record], tmp_path: Path) -> None:
    folder = exported(tmp_path / "sweep", records[0], tmp_path / "out")
    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadInput, match=r"model\.safetensors is not the file that config\.json was written for"):
        load_exported(folder)
    config = json.loads((folder / CONFIG).read_text())
    config["weights"]["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(BadInput, match=r"model\.safetensors has no weights of cnn3d: "):
        load_exported(folder)


def test_nothing_is_unpickled(records: list[Record], tmp_path: Path) -> None:
    """Told by Python itself, which reports every class that a pickle names. The first call compiles what is Numba's,
    whose own cache is a pickle."""
    folder = exported(tmp_path / "sweep", records[0], tmp_path / "out")
    code = (
        "import sys, rac_ray\n"
        "rac_ray.load_exported(sys.argv[1])\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event) if event == 'pickle.find_class' else None)\n"
        "rac_ray.load_exported(sys.argv[1])\n"
        "read = list(seen)\n"
        "import pickle; pickle.loads(pickle.dumps(sys.exit))\n"
        "print(read, seen)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout == "[] ['pickle.find_class']\n"


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        (CONFIG, None, r"has no config\.json; valid: EXPORT/model/TRIAL"),
        (WEIGHTS, None, r"has no model\.safetensors; valid: EXPORT/model/TRIAL"),
        (CONFIG, b"{", r"config\.json is not the config of a model"),
        (CONFIG, b"[]", r"config\.json is not the config of a model"),
        (CONFIG, b'{"weights": {}}', r"config\.json is not the config of a model"),
    ],
)
def test_a_folder_that_is_none_is_told(
    file: str, content: bytes | None, sentence: str, records: list[Record], tmp_path: Path
) -> None:
    folder = exported(tmp_path / "sweep", records[0], tmp_path / "out")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        load_exported(folder)


def test_a_later_format_is_told(records: list[Record], tmp_path: Path) -> None:
    folder = exported(tmp_path / "sweep", records[0], tmp_path / "out")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "format": 2}))
    with pytest.raises(BadInput, match=r"config\.json has format 2; valid: 1"):
        load_exported(folder)


def test_weights_of_another_model_are_told(records: list[Record], tmp_path: Path) -> None:
    folder = exported(tmp_path / "sweep", records[0], tmp_path / "out")
    config = json.loads((folder / CONFIG).read_text())
    config["record"]["hidden_units"] = 3
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(BadInput, match=r"has no weights of cnn3d: Error\(s\) in loading"):
        load_exported(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"options": {"frobnicate": 1}},
            r"the record of .*model\.safetensors describes no model: TypeError: .*frobnicate",
        ),
        ({"dataset": {"clip_shape": [1, 2]}}, r"the record of .*model\.safetensors describes no model: ValueError: "),
        ({"model": "nobodys"}, r"unknown model 'nobodys'; valid: "),
        (
            {"hidden_units": 65_536, "classes": 65_536},
            r"model\.safetensors has no weights of cnn3d: Error\(s\) in loading",
        ),
        ({"hidden_units": "2"}, r"config\.json is not a record: "),
    ],
)
def test_a_record_of_another_model_is_told_before_memory_is_taken(
    change: dict[str, object], sentence: str, records: list[Record], tmp_path: Path
) -> None:
    """65,536 hidden units would take terabytes."""
    folder = exported(tmp_path / "sweep", records[0], tmp_path / "out")
    config = json.loads((folder / CONFIG).read_text())
    config["record"] |= change
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(BadInput, match=sentence):
        load_exported(folder)


def test_a_model_of_ones_own_on_clips_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: list[Trial]
) -> None:
    """Its study is not of this package; the record says how large its clips are."""
    monkeypatch.setattr("rac_ray.models.MODELS", dict(MODELS))

    class Flat(nn.Sequential):
        def __init__(self, hidden_units: int, *, num_frames: int, frame_size: int, channels: int, num_classes: int):
            sizes = num_frames * channels * frame_size**2
            super().__init__(nn.Flatten(), nn.Linear(sizes, hidden_units), nn.Linear(hidden_units, num_classes))

    register("flat")(Flat)
    model = Flat(2, num_frames=4, frame_size=8, channels=3, num_classes=5)
    dataset = {"clip_shape": [4, 3, 8, 8], "classes": list("abcde"), "data": "/home/me"}
    record = msgspec.structs.replace(
        scored(trials[0]), study="mine", model="flat", dataset=dataset, options={"weights": "digest"}
    )
    ledger = Ledger(Storage.at(tmp_path / "mine"))
    ledger.trained(record, [{"epoch": 3, "val_top1": 0.5}], as_bytes(model.state_dict()))
    share(ledger, record, record.trials[0], Storage.at(tmp_path / "out"), list("abcde"))
    clips = torch.rand(2, 4, 3, 8, 8)
    for loaded in (load_model(record.training_id, tmp_path / "mine"), load_exported(tmp_path / "out")):
        assert torch.equal(loaded(clips), model(clips))
