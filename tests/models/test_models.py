"""What holds for every model of the registry; newcomers are covered by being in it."""

import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.models import MODELS, build_model, count_parameters

PUBLISHED = {  # facts.md 2.2: h -> ConvLSTM, 3D CNN, TimeSf-1, TimeSf-8
    2: (1_497, 1_573, 877, 20_421),
    4: (4_429, 3_573, 2_229, 71_557),
    6: (8_801, 6_005, 4_061, 153_413),
    8: (14_613, 8_869, 6_373, 265_989),
    10: (21_865, 12_165, 9_165, 409_285),
    12: (30_557, 15_893, 12_437, 583_301),
    16: (52_261, 24_645, 20_421, 1_023_493),
    24: (112_949, 47_333, 42_149, 2_272_517),
    32: (196_677, 76_933, 71_557, 4_013_061),
    48: (433_253, 156_869, 153_413, 8_968_709),
}
ENCODERS = {  # facts.md 2.2: h -> ConvLSTM, 3D CNN without their heads
    2: (852, 288), 4: (3144, 1008), 6: (6876, 2160), 8: (12048, 3744), 10: (18660, 5760),
    12: (26712, 8208), 16: (47136, 14400), 24: (105264, 31968), 32: (186432, 56448), 48: (417888, 126144),
}  # fmt: skip


@pytest.mark.parametrize("hidden_units", PUBLISHED)
@pytest.mark.parametrize("name", MODELS)
def test_trainable_parameters_are_the_published_ones(name: str, hidden_units: int) -> None:
    with torch.device("meta"):
        model = build_model(name, hidden_units)
    assert count_parameters(model) == PUBLISHED[hidden_units][list(MODELS).index(name)]


@pytest.mark.parametrize("hidden_units", ENCODERS)
@pytest.mark.parametrize("name", ["convlstm", "cnn3d"])
def test_encoder_parameters(name: str, hidden_units: int) -> None:
    with torch.device("meta"):
        encoder = build_model(name, hidden_units).get_submodule("encoder")
    assert count_parameters(encoder) == ENCODERS[hidden_units][["convlstm", "cnn3d"].index(name)]


@pytest.mark.parametrize("name", MODELS)
def test_one_step_of_every_model(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, 2)
    logits = model(torch.rand(3, 20, 1, 64, 64))
    assert logits.shape == (3, 5)
    assert logits.dtype == torch.float32
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_follow_the_seed(name: str) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(build_model(name, 4).state_dict().values())

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("name", "hidden_units", "message"),
    [
        ("lstm", 2, "unknown model 'lstm'; valid: convlstm, cnn3d, timesformer1, timesformer8"),
        ("cnn3d", 0, "hidden units are 0; valid: 1 or more"),
        ("timesformer8", 3, "hidden units of a TimeSformer are 3; valid: even numbers"),
    ],
)
def test_bad_models_are_named(name: str, hidden_units: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build_model(name, hidden_units)


@pytest.mark.parametrize("name", ["convlstm", "cnn3d"])
def test_odd_hidden_units_where_they_can_be(name: str) -> None:
    assert build_model(name, 1)(torch.rand(1, 20, 1, 64, 64)).shape == (1, 5)
