import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from benchmarks.agreement import farthest, outputs_of
from benchmarks.plain import (
    NUM_CLASSES,
    PLAIN_MODELS,
    JpegClips,
    build_plain,
    evaluate,
    optimiser_of,
    plain_state,
    train_epoch,
    write_jpegs,
)
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.models import build_model
from rac_ray.studies.temporal_shape.grid import MODELS

CPU = torch.device("cpu")


def test_there_is_a_plain_model_for_each_of_the_papers() -> None:
    assert list(PLAIN_MODELS) == list(MODELS)
    with pytest.raises(BadInput, match="unknown model 'lstm'; valid: convlstm, cnn3d, timesformer1, timesformer8"):
        build_plain("lstm", 2)


@pytest.mark.parametrize("hidden_units", [2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_equals_ours_in_values_and_gradients(name: str, hidden_units: int, make_clips) -> None:
    """In float64, where neither rounds; ``benchmarks.speed`` compares float32."""
    clips = make_clips(3)
    frames, labels = torch.from_numpy(clips.frames).unsqueeze(2), torch.from_numpy(clips.labels)
    torch.manual_seed(0)
    ours, plain = build_model(name, hidden_units), build_plain(name, hidden_units)
    plain.load_state_dict(plain_state(ours.state_dict()))
    one, other = (outputs_of(model, frames, labels, torch.float64) for model in (ours, plain))
    torch.testing.assert_close(one.training_logits, other.training_logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(one.evaluation_logits, other.evaluation_logits, rtol=1e-9, atol=1e-9)
    assert one.gradients.keys() == {key for key, _ in ours.named_parameters()}
    assert farthest(plain_state(one.gradients), other.gradients)[0] < 1e-6


@pytest.mark.parametrize("domain", ["2dot", "mnist_bg"])
def test_files_hold_the_frames_of_the_generators_clips(domain: str, make_clips, tmp_path: Path) -> None:
    """The file is the only JPEG round trip, and PIL's the same one as the generator's: measured, no pixel differs."""
    write_jpegs(tmp_path / "clips", domain, "test", 4)
    read, expected = JpegClips(tmp_path / "clips"), make_clips(4, f"{domain}/test")
    frames = torch.stack([read[index][0] for index in range(len(read))])
    assert frames.shape == (4, 20, 1, 64, 64)
    assert 0 <= float(frames.min()) < float(frames.max()) <= 1
    np.testing.assert_array_equal((frames * 255).round().squeeze(2).numpy(), expected.frames)
    assert [int(read[index][1]) for index in range(len(read))] == expected.labels.tolist()


def test_clips_are_stored_as_in_the_study(tmp_path: Path) -> None:
    write_jpegs(tmp_path / "clips", "2dot", "test", 2)
    names = {path.name for path in (tmp_path / "clips").iterdir()}
    assert names == {"labels.csv", *(f"{number}.jpg" for number in range(40))}
    with Image.open(tmp_path / "clips/39.jpg") as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (64, 64))
    with open(tmp_path / "clips/labels.csv", newline="") as source:
        assert [row["clip"] for row in csv.DictReader(source)] == ["0", "1"]


def test_one_epoch_and_an_evaluation(tmp_path: Path) -> None:
    write_jpegs(tmp_path / "clips", "2dot", "test", 5)
    clips, steps = JpegClips(tmp_path / "clips"), []
    model = build_plain("timesformer1", 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    batches = DataLoader(clips, batch_size=2, drop_last=True)
    loss, top1 = train_epoch(model, batches, optimiser_of(model, Recipe()), scaler, CPU, steps.append)
    assert steps == [2, 2]
    assert loss == pytest.approx(np.log(NUM_CLASSES), rel=0.5)
    assert top1 in (0, 0.25, 0.5, 0.75, 1)
    assert not all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    correct, seen = evaluate(model, DataLoader(clips, batch_size=2), CPU, steps.append)
    assert 0 <= correct <= seen == 5
    assert steps == [2, 2, 2, 2, 1]
