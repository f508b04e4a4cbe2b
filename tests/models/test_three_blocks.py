import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.models import build_model
from rac_ray.models.three_blocks import halved


def test_what_is_left_is_rounded_down() -> None:
    assert [halved(size, 3, "a model", "frames") for size in (8, 15, 16, 20, 64)] == [1, 1, 2, 2, 8]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("cnn2plus1d", {"num_frames": 7}, r"clips for the \(2\+1\)D CNN have 7 frames; valid: 8 or more$"),
        ("cnn2plus1d", {"frame_size": 7}, r"clips for the \(2\+1\)D CNN have 7 pixels a side; valid: 8 or more$"),
        ("convgru", {"frame_size": 4}, "clips for the ConvGRU have 4 pixels a side; valid: 8 or more$"),
        ("convlru", {"frame_size": 1}, "clips for the ConvLRU have 1 pixels a side; valid: 8 or more$"),
        ("bag", {"frame_size": 7}, "clips for the bag of frames have 7 pixels a side; valid: 8 or more$"),
        ("vivit", {"frame_size": 24}, r"clips for the ViViT have 24 pixels a side; valid: multiples of 16 "),
    ],
)
def test_clips_that_are_too_small_are_named(name: str, options: dict[str, int], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        build_model(name, 2, **options)


@pytest.mark.parametrize("name", ["cnn2plus1d", "convgru", "convlru", "bag"])
def test_the_smallest_clips_are_taken(name: str) -> None:
    model = build_model(name, 2, num_frames=8, frame_size=8, channels=3, num_classes=4).eval()
    assert model(torch.rand(2, 8, 3, 8, 8)).shape == (2, 4)
