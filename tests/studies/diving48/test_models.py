"""Published sizes: exact counts and shapes of all on the meta device, real steps at full size of the smaller ones."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from rac_ray.errors import BadInput
from rac_ray.models import count_parameters
from rac_ray.studies.diving48.models import build_size
from rac_ray.studies.diving48.published import VALIDATION_TOP1
from rac_ray.studies.diving48.sizes import EXPERIMENTS, SIZES

CLIP = (32, 3, 224, 224)
LEFT = {  # facts.md 3.4: what the encoders leave of a clip
    "convlstm-4x128": (32, 128, 1, 1),
    "cnn3d-4x128": (128, 2, 14, 14),
    "cnn3d-6x128": (128, 2, 5, 5),
    "cnn3d-11": (512, 3, 15, 15),
    "cnn3d-11-flatten": (512, 3, 15, 15),
}


@pytest.mark.parametrize("name", SIZES)
def test_counts_and_shapes_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        model = build_size(name)
        clips = torch.rand(2, *CLIP)
        logits = model(clips)
    assert count_parameters(model) == SIZES[name].parameters
    assert logits.shape == (2, 48)
    if name in LEFT:
        left = model.get_submodule("encoder")(clips if name.startswith("convlstm") else clips.transpose(1, 2))
        assert left.shape == (2, *LEFT[name])


def test_the_eleven_layers_alone_have_23_3_million() -> None:
    with torch.device("meta"):
        assert count_parameters(build_size("cnn3d-11").get_submodule("encoder")) == 23_299_968


@pytest.mark.parametrize(
    "name",
    [
        "timesformer-15m",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("convlstm-4x128", "cnn3d-4x128", "cnn3d-6x128")),
    ],
)
def test_a_real_step_at_full_size(name: str) -> None:
    torch.manual_seed(0)
    model, clips, labels = build_size(name), torch.rand(1, *CLIP), torch.tensor([7])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    before = cross_entropy(model(clips), labels)
    before.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    optimiser.step()
    with torch.no_grad():
        assert cross_entropy(model(clips), labels) < before


def test_experiments_name_sizes_and_the_papers_levels() -> None:
    assert list(EXPERIMENTS) == list("abcdefgh")
    assert {name: EXPERIMENTS[name].top1 for name in "abcd"} == VALIDATION_TOP1
    used = {size for each in EXPERIMENTS.values() for size in each.sizes.values()}
    assert used == set(SIZES) - {"cnn3d-11-flatten"}
    assert [name for name, each in EXPERIMENTS.items() if "timesformer" not in each.sizes] == ["d"]


def test_an_unknown_size_is_named() -> None:
    with pytest.raises(BadInput, match="unknown size 'vgg'; valid: convlstm-4x128, cnn3d-4x128, cnn3d-6x128, cnn3d-11"):
        build_size("vgg")
