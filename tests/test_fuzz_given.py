"""Files that people pass on, damaged in any way: masks, exported models, checkpoints, and notes of whose a folder is.

Whoever reads them takes them for what they are, or refuses them in one sentence.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from rac_ray import load_exported, load_model
from rac_ray.data.masks import MaskTable, made_of, require_made_of, rows_of, write_masks
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.results.shared_weights import CONFIG, WEIGHTS, share
from rac_ray.segmentation.infer import STAMP, require_same
from rac_ray.segmentation.network import parsed_checkpoint
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.scratch import OWNER, left_behind, scratch
from rac_ray.training.checkpoints import as_bytes
from tests.fuzzing import TEXTS, VALUES, damaged, fuzzed, other_bytes, other_json
from tests.results.conftest import trials_of
from tests.results.shared import finished

pytestmark = pytest.mark.slow

FRAMES, HEIGHT, WIDTH = 3, 12, 20
SHARD = ("test-00000-of-00001.parquet", "content")


# Masks of clips, and the note of what made them


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """Masks of two clips, one of them without anybody."""
    folder = Storage.at(tmp_path_factory.mktemp("masks"))
    soft = np.zeros((2, HEIGHT, WIDTH), np.float32)
    soft[0, 2:8, 1:7], soft[1, 3:7, 10:16] = 0.5, 0.9
    boxes = np.array([[1, 2, 7, 8], [10, 3, 16, 7]], np.float32)
    rows = [row for frame in range(FRAMES) for row in rows_of("a_00001", frame, soft, [0.3, 0.8], boxes)]
    write_masks(folder, "masks.parquet", rows, ["b_00002"], SHARD)
    return folder


def read_masks(folder: Storage) -> None:
    """Everything that is read of them."""
    with suppress(BadInput):
        assert made_of(folder, "masks.parquet") in (None, SHARD)
    with suppress(BadInput):
        require_made_of(folder.address("masks.parquet"), dict([SHARD]))
    with suppress(BadInput):
        table = MaskTable.read(folder, "masks.parquet")
        for clip_id in table.clip_ids():
            with suppress(BadInput):
                frames = table.clip(clip_id, FRAMES, HEIGHT, WIDTH)
                assert {each.shape.shape[1:] for each in frames} == {(HEIGHT, WIDTH)}


@fuzzed(150)
@given(data=st.data())
def test_damaged_masks(masks: Storage, data: st.DataObject) -> None:
    content = masks.read_bytes("masks.parquet")
    masks.below("other").write_bytes("masks.parquet", data.draw(damaged(content, "masks.parquet")))
    read_masks(masks.below("other"))


@pytest.mark.parametrize("key", ["rac_ray", "rac_ray_clips", "rac_ray_masks_of"])
@fuzzed(40)
@given(data=st.data())
def test_damaged_words_on_masks(key: str, masks: Storage, data: st.DataObject) -> None:
    """What a file of masks says of itself, outside of its rows."""
    import pyarrow.parquet as pq

    table = pq.read_table(masks.address("masks.parquet"))
    said = dict(table.schema.metadata or {})
    assert key.encode() in said
    said[key.encode()] = data.draw(VALUES.map(json.dumps).map(str.encode) | other_bytes(said[key.encode()]))
    masks.below("said").write_bytes("x", b"")
    pq.write_table(table.replace_schema_metadata(said), masks.below("said").address("masks.parquet"))
    with suppress(BadInput):
        made_of(masks.below("said"), "masks.parquet")
    with suppress(BadInput):
        MaskTable.read(masks.below("said"), "masks.parquet")


STAMPED = {"weights": "0123456789abcdef", "data": {"kind": "diving48", "parts": [1]}, "min_size": 800, "max_size": 1333}


@fuzzed(150)
@given(data=st.data())
def test_a_damaged_note_of_what_made_the_masks(masks: Storage, data: st.DataObject) -> None:
    """Only one that says what this run would say lets it go on."""
    masks.write_bytes(STAMP, data.draw(damaged(json.dumps(STAMPED).encode(), STAMP)))
    try:
        require_same(masks, STAMPED)
    except BadInput:
        return
    assert masks.read_json(STAMP).items() >= STAMPED.items()


# Weights: of an export, of a sweep, of Mask R-CNN


@dataclass(frozen=True)
class Shared:
    """A finished training, and what was exported of it."""

    sweep: Path
    training: Path
    trial: str
    export: Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder = tmp_path_factory.mktemp("shared")
    (record,) = finished(folder / "sweep", trials_of(Recipe(precision="32"))[:1])
    ledger = Ledger(Storage.at(folder / "sweep"))
    share(ledger, record, record.trials[0], Storage.at(folder / "export"), list("abcde"))
    training = Path(ledger.folder(record.training_id).root)
    return Shared(folder / "sweep", training, record.trials[0].trial_id, folder / "export")


def model_or_refused(load: Callable[[], torch.nn.Module]) -> None:
    """A model that answers, or a sentence."""
    try:
        model = load()
    except BadInput:
        return
    assert not any(value.is_meta for value in model.state_dict().values())


class Tensors(dict[str, torch.Tensor]):
    """Weights that hypothesis notes by their number."""

    def __repr__(self) -> str:
        return f"{len(self)} tensors"


@st.composite
def other_tensors(draw: st.DrawFn, tensors: Tensors) -> dict[Any, Any]:
    """Weights of which one is gone, has another name, or is another tensor, or none."""
    name = draw(st.sampled_from(sorted(tensors)))
    rest = {each: value for each, value in tensors.items() if each != name}
    way = draw(st.sampled_from(["gone", "renamed", "shape", "kind", "value"]))
    if way == "gone":
        return rest
    if way == "renamed":
        return {**rest, draw(TEXTS): tensors[name]}
    if way == "shape":
        return {**rest, name: torch.zeros(draw(st.lists(st.integers(0, 4), max_size=3)))}
    if way == "kind":
        kinds = [torch.float64, torch.int8, torch.bool, torch.bfloat16]
        return {**rest, name: tensors[name].to(draw(st.sampled_from(kinds)))}
    return {
        **rest,
        name: torch.full_like(tensors[name].float(), draw(st.sampled_from([0.0, float("nan"), float("inf")]))),
    }


def config_for(content: bytes, config: bytes) -> bytes:
    """The config of these very weights, as somebody would make it on purpose."""
    return json.dumps({**json.loads(config), "weights": {"sha256": hashlib.sha256(content).hexdigest()}}).encode()


def exported_as(shared: Shared, config: bytes, weights: bytes) -> None:
    """Read an export with these files."""
    folder = shared.export.parent / "other"
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_bytes(config)
    (folder / WEIGHTS).write_bytes(weights)
    model_or_refused(lambda: load_exported(folder))


@fuzzed(150)
@given(data=st.data())
def test_a_damaged_config_of_an_exported_model(shared: Shared, data: st.DataObject) -> None:
    config, weights = ((shared.export / name).read_bytes() for name in (CONFIG, WEIGHTS))
    exported_as(shared, data.draw(damaged(config, CONFIG)), weights)


@fuzzed(100)
@given(data=st.data())
def test_an_exported_model_whose_record_is_another(shared: Shared, data: st.DataObject) -> None:
    """Of all that a config says the record decides what is built."""
    config = json.loads((shared.export / CONFIG).read_bytes())
    names = ["study", "model", "hidden_units", "classes", "options", "dataset", "recipe"]
    part = {name: config["record"][name] for name in names}
    part = {**part, "options": {"architecture": "cnn3d", "kernels": [3, 3]}, "dataset": {"clip_shape": [20, 1, 64, 64]}}
    record = {**config["record"], **data.draw(other_json(part))}
    exported_as(shared, json.dumps({**config, "record": record}).encode(), (shared.export / WEIGHTS).read_bytes())


@fuzzed(100)
@given(data=st.data())
def test_damaged_weights_of_an_exported_model(shared: Shared, data: st.DataObject) -> None:
    """Their hash is right: otherwise nothing of them is looked at."""
    config, weights = ((shared.export / name).read_bytes() for name in (CONFIG, WEIGHTS))
    other = data.draw(other_bytes(weights) | other_tensors(Tensors(load(weights))).map(save))
    exported_as(shared, config_for(other, config), other)


def saved(value: object) -> bytes:
    """A file of torch's."""
    sink = io.BytesIO()
    torch.save(value, sink)
    return sink.getvalue()


@fuzzed(100)
@given(data=st.data())
def test_damaged_weights_of_a_sweep(shared: Shared, data: st.DataObject) -> None:
    path = shared.training / "best.ckpt"
    before = path.read_bytes()
    tensors = Tensors(torch.load(io.BytesIO(before), weights_only=True))
    path.write_bytes(data.draw(other_bytes(before) | other_tensors(tensors).map(saved) | VALUES.map(saved)))
    try:
        model_or_refused(lambda: load_model(shared.trial, shared.sweep))
    finally:
        path.write_bytes(before)


@fuzzed(150)
@given(data=st.data())
def test_a_damaged_checkpoint_of_mask_r_cnn(data: st.DataObject) -> None:
    """Ours, the authors' and torchvision's; the network that it is of is built later."""
    tensors = {"model.a": torch.zeros(2), "model.b": torch.ones(3)}
    written = {"weights": tensors, "min_size": 800, "max_size": 1333}
    value = data.draw(
        st.sampled_from([written, {"state_dict": tensors}, tensors])
        | other_tensors(Tensors(tensors))
        | VALUES.map(lambda each: {**written, "min_size": each})
        | VALUES.map(lambda each: {"state_dict": each})
        | VALUES.map(lambda each: {**written, "weights": each})
        | VALUES
    )
    with suppress(BadInput):
        found = parsed_checkpoint(data.draw(st.just(saved(value)) | other_bytes(as_bytes(tensors))), "given")
        assert all(isinstance(each, torch.Tensor) for each in found.weights.values())
        assert 0 < min(found.min_size, found.max_size) <= max(found.min_size, found.max_size) <= 65_536


# Whose a folder of a run is


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("temporary")
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@fuzzed(200)
@given(data=st.data())
def test_a_damaged_note_of_whose_a_folder_is(temporary: Path, data: st.DataObject) -> None:
    """What goes with the next run is only what a whole note says a dead process of this machine left."""
    with scratch() as folder:
        mine = (Path(folder) / OWNER).read_bytes()
    owner = json.loads(mine)
    content = data.draw(damaged(mine, OWNER))
    left = temporary / "rac_ray-left"
    left.mkdir()
    (left / OWNER).write_bytes(content)
    try:
        gone = left_behind()
        with scratch():
            assert left.exists() == (gone == [])
    finally:
        shutil.rmtree(left, ignore_errors=True)
    if gone:
        said = json.loads(content)
        assert said["machine"] == owner["machine"]
        assert (said["pid"], said["process_started"]) != (os.getpid(), owner["process_started"])
