"""What holds for every model of the registry; newcomers are covered by being in it."""

import pickle

import pytest
import torch
from torch import nn

from rac_ray.errors import BadInput
from rac_ray.models import MODELS, Builder, build_model, count_parameters, register
from rac_ray.studies.temporal_shape.grid import MODELS as PAPERS
from rac_ray.sweep.planner import parameters_of

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


FURTHER = {
    # In each block two convolutions, one bias, two normalisations; the head reads two steps.
    "cnn2plus1d": lambda h: _factorised(h, 1) + 2 * _factorised(h, h) + 640 * h + 5,
    # Convolutions into three gates, and from the state into three, without a second bias; two of normalisation.
    "convgru": lambda h: 27 * h * (1 + 2 * h) + 3 * (27 * h**2 + 5 * h) + 320 * h + 5,
    # Into 2h real numbers and past them, out of them; decay, turn, gain, a bias; two of normalisation.
    "convlru": lambda h: 27 * h * (1 + 2 * h) + 3 * (2 * h**2 + 6 * h) + 320 * h + 5,
    # Four layers of 16 D^2 + 13 D; patches; 16 places and 20 times; a normalisation; the head.
    "vivit": lambda h: 4 * (16 * (8 * h) ** 2 + 13 * 8 * h) + 8 * h * (257 + 16 + 20 + 2 + 5) + 5,
    "bag": lambda h: 9 * h * (1 + 2 * h) + 3 * 3 * h + 320 * h + 5,
}
"""Weights at h, added up by hand."""


def _factorised(h: int, channels: int) -> int:
    between = 27 * channels * h // (9 * channels + 3 * h)
    return between * (9 * channels + 3 * h) + 2 * between + 3 * h


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_whether_it_takes_clips_of_another_length(name: str) -> None:
    """And says of clips of its own length what it said before, whatever it has seen in between."""
    builder = Builder(name, 4)
    model, longer = builder().eval(), torch.rand(2, 40, 1, 64, 64)
    with torch.inference_mode():
        before = model(longer[:, :20])
        if not builder.any_length:
            with pytest.raises(RuntimeError):
                model(longer)
            return
        assert model(longer).shape == (2, 5)
        assert not torch.allclose(model(longer), before)
        torch.testing.assert_close(model(longer[:, :20]), before, rtol=0, atol=0)


@pytest.mark.parametrize("hidden_units", PUBLISHED)
@pytest.mark.parametrize("name", PAPERS)
def test_trainable_parameters_are_the_published_ones(name: str, hidden_units: int) -> None:
    with torch.device("meta"):
        model = build_model(name, hidden_units)
    assert count_parameters(model) == PUBLISHED[hidden_units][PAPERS.index(name)]


@pytest.mark.parametrize("hidden_units", [1, *PUBLISHED])
@pytest.mark.parametrize("name", FURTHER)
def test_trainable_parameters_of_further_models(name: str, hidden_units: int) -> None:
    assert parameters_of(Builder(name, hidden_units)) == FURTHER[name](hidden_units)


def test_all_models_are_counted() -> None:
    assert [*PAPERS, *FURTHER] == list(MODELS)


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


@pytest.mark.parametrize("name", FURTHER)
def test_each_weight_has_a_part_in_what_is_said(name: str) -> None:
    """No bias that a normalisation takes away, and no part that is left out."""
    torch.manual_seed(0)
    model = build_model(name, 2).double()
    model(torch.rand(4, 20, 1, 64, 64).double()).square().sum().backward()
    none = [key for key, weight in model.named_parameters() if not float(_largest(weight.grad)) > 1e-9]
    assert none == []


def _largest(gradient: torch.Tensor | None) -> torch.Tensor:
    return torch.zeros(()) if gradient is None else gradient.abs().max()


@pytest.mark.parametrize("name", MODELS)
def test_all_but_the_bag_of_frames_know_the_order_of_time(name: str) -> None:
    torch.manual_seed(0)
    model, clips = build_model(name, 4).double().eval(), torch.rand(2, 20, 1, 64, 64).double()
    with torch.no_grad():
        moved = float((model(clips.flip(1)) - model(clips)).abs().max())
    assert moved < 1e-12 if name == "bag" else moved > 1e-6


@pytest.mark.parametrize("num_frames", [1, 2, 7, 8, 40])
@pytest.mark.parametrize("name", FURTHER)
def test_further_models_are_built_for_any_number_of_frames(name: str, num_frames: int) -> None:
    """But for the (2+1)D CNN, which halves them three times as the 3D CNN does."""
    if name == "cnn2plus1d" and num_frames < 8:
        with pytest.raises(BadInput, match=rf"have {num_frames} frames; valid: 8 or more"):
            build_model(name, 2, num_frames=num_frames)
        return
    model = build_model(name, 2, num_frames=num_frames, frame_size=16, channels=3, num_classes=4)
    assert model(torch.rand(3, num_frames, 3, 16, 16)).shape == (3, 4)


@pytest.mark.parametrize("name", ["convgru", "convlru", "bag"])
def test_weights_that_know_no_number_of_frames_take_longer_clips(name: str) -> None:
    model = build_model(name, 2, num_frames=20).eval()
    assert model(torch.rand(2, 40, 1, 64, 64)).shape == (2, 5)


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
        ("lstm", 2, f"unknown model 'lstm'; valid: {', '.join(MODELS)}$"),
        ("cnn3d", 0, "hidden units are 0; valid: 1 to 65536"),
        ("timesformer8", 3, "hidden units of a TimeSformer are 3; valid: even numbers"),
    ],
)
def test_bad_models_are_named(name: str, hidden_units: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build_model(name, hidden_units)


@pytest.mark.parametrize("name", ["convlstm", "cnn3d", *FURTHER])
def test_odd_hidden_units_where_they_can_be(name: str) -> None:
    assert build_model(name, 1)(torch.rand(1, 20, 1, 64, 64)).shape == (1, 5)


class Flat(nn.Sequential):
    """One layer on all pixels; ``hidden_units`` say nothing."""

    def __init__(self, hidden_units: int, *, num_frames: int, frame_size: int, channels: int, num_classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(num_frames * channels * frame_size**2, num_classes))


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> str:
    """A model of one's own, registered for one test."""
    monkeypatch.delitem(MODELS, "flat", raising=False)
    monkeypatch.setitem(MODELS, "flat", Flat)
    return "flat"


def test_a_model_of_ones_own_is_built_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rac_ray.models.MODELS", dict(MODELS))
    assert register("flat")(Flat) is Flat
    model = build_model("flat", 2, num_frames=3, frame_size=8, channels=3, num_classes=4)
    assert model(torch.zeros(2, 3, 3, 8, 8)).shape == (2, 4)
    assert register("flat")(Flat) is Flat


def test_two_models_of_one_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rac_ray.models.CLASHES", set())
    register("cnn3d")(MODELS["cnn3d"])
    build_model("cnn3d", 2)
    register("cnn3d")(Flat)
    with pytest.raises(BadInput, match="there are two models of the name 'cnn3d'; give one of them another name"):
        build_model("cnn3d", 2)
    build_model("convlstm", 2)


def test_a_builder_needs_no_registry_elsewhere(flat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (("channels", 3), ("frame_size", 8), ("num_classes", 2), ("num_frames", 3))
    builder = Builder(flat, 4, sizes)
    assert builder == Builder(flat, 4, sizes)
    assert hash(builder) == hash(Builder(flat, 4, sizes))
    assert parameters_of(builder) == 3 * 3 * 8 * 8 * 2 + 2
    content = pickle.dumps(builder)
    monkeypatch.delitem(MODELS, flat)
    assert isinstance(pickle.loads(content)(), Flat)
    with pytest.raises(
        BadInput,
        match=f"unknown model 'flat'; valid: {', '.join(MODELS)}$",
    ):
        Builder(flat, 4)


@pytest.mark.parametrize("name", MODELS)
def test_builders_stay_equal_by_value_through_pickle(name: str) -> None:
    builder = Builder(name, 4)
    assert pickle.loads(pickle.dumps(builder)) == builder
