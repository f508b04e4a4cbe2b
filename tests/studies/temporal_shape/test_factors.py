"""Further domains: each is its base but for one thing, and the same pixels for ever."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rac_ray.errors import BadInput
from rac_ray.studies.temporal_shape.asked import factors_of
from rac_ray.studies.temporal_shape.digits import mnist, shrunk
from rac_ray.studies.temporal_shape.domains import (
    DIRECTIONS,
    DOMAINS,
    FURTHER,
    PAIRED,
    SPLITS,
    Clip,
    TemporalShapeSpec,
    make_clip,
)
from rac_ray.studies.temporal_shape.drawing import BAR_WIDTH, GREY
from rac_ray.studies.temporal_shape.factors import DRIFT, FACTORS
from rac_ray.studies.temporal_shape.perlin import perlin_image
from rac_ray.studies.temporal_shape.results import NAMED
from tests.studies.temporal_shape.test_domains import pixels_of

SPEC = TemporalShapeSpec()
RAW = replace(SPEC, jpeg_quality=0)
CLIPS = 60
LOOKS = [name for name, domain in FURTHER.items() if (domain.pace, domain.order, domain.frames) == (1, None, 20)]
"""Domains that leave the path as it is, frame by frame."""

GOLDEN = {
    "2dot_static": ("4efb554af99d00ce", "839827b2fbf7316b"),
    "2dot_flicker": ("b45800ced478c8b8", "cc164e64cbb264e2"),
    "2dot_drift": ("2356d7f6c3dd6f95", "8cf75682be14513c"),
    "2dot_occluder": ("4dc4c9697a0170ec", "915431a800a73462"),
    "2dot_size1": ("58c441a01df53b53", "451e4c6b746b9a85"),
    "2dot_size7": ("d755ea2ddd1227ef", "a09a0c2561e44223"),
    "2dot_size11": ("df801588e101c493", "c765fa9c947c5c79"),
    "2dot_contrast50": ("10c487079b393105", "87c9d69cb63e6620"),
    "2dot_contrast25": ("ebf0443fd12bf64f", "230958cfc69ebf63"),
    "2dot_contrast10": ("766c9cd1d3ffedf2", "f1e4b4b2d0fda0f5"),
    "2dot_slow": ("831cabee9e4b9760", "46d7f2b7f7c08e20"),
    "2dot_fast": ("6e6ae9cb13763620", "57bad25711976317"),
    "2dot_long30": ("bb619af21af2d80c", "59959f15c4afdcb4"),
    "2dot_long40": ("c380bfde496ac5ee", "2eafecdceab691b7"),
    "2dot_reversed": ("479729901c76da14", "3ac980bf00980e86"),
    "2dot_shuffled": ("f39950909c2c356d", "bc40d850d538ac42"),
    "mnist_bg_half_static": ("dc53ab03ecb00967", "f34c81431348eb23"),
    "mnist_bg_half_flicker": ("d78ba6052355cf9f", "f64a0a5930615150"),
    "mnist_bg_half_drift": ("c950b9e29133aba4", "55dcb2aaa3df7850"),
    "mnist_bg_half_occluder": ("0e77f51c59ea74d7", "c321cb97125a798d"),
    "mnist_bg_half_contrast50": ("db62f97e66cbb8ad", "6aa16d6493aa3900"),
    "mnist_bg_half_contrast25": ("5292324d4f8e50d9", "56ae222a063874cd"),
    "mnist_bg_half_contrast10": ("d93c227fb50cc952", "ba27d935262b4fc7"),
    "mnist_bg_half_slow": ("f6b820db58206c87", "bc93acdcff262dfb"),
    "mnist_bg_half_fast": ("49aff9c91325e86c", "7ab5cbb2bb6e8f13"),
    "mnist_bg_half_long30": ("6979a1e13db4ed1c", "5e740e0a19b13b67"),
    "mnist_bg_half_long40": ("3d7ee4c3fb82e62d", "6fb3fd7b1fdd36db"),
    "mnist_bg_half_reversed": ("ce339ad5453f2f3a", "3f8d4a935ab65646"),
    "mnist_bg_half_shuffled": ("0918adfde77df1d9", "1c5f00c0e9a754a1"),
}
"""Of train, val and test, and of paired clips."""


def pairs(name: str, spec: TemporalShapeSpec = RAW, split: str = "test") -> list[tuple[Clip, Clip]]:
    """Clips of the domain that a further one is made of, and its own."""
    base = FURTHER[name].base
    return [(make_clip(spec, base, split, index), make_clip(spec, name, split, index)) for index in range(CLIPS)]


def names_of(factor: str) -> list[str]:
    return [name for name, domain in FURTHER.items() if domain.factor == factor]


@pytest.mark.parametrize("name", FURTHER)
def test_golden_pixels(name: str) -> None:
    """A change here changes the data: a factor with another value is another row."""
    assert (pixels_of(name, ["train", "val", "test"]), pixels_of(name, [PAIRED])) == GOLDEN[name]


def test_each_factor_is_there_for_what_models_train_on_where_it_changes_something() -> None:
    dots = [name for name in FURTHER if FURTHER[name].base == "2dot"]
    digits = [name for name in FURTHER if FURTHER[name].base == "mnist_bg_half"]
    assert [*dots, *digits] == list(FURTHER) == list(GOLDEN)
    assert dots == [f"2dot_{factor}" for factor in FACTORS]
    assert digits == [f"mnist_bg_half_{factor}" for factor in FACTORS if not factor.startswith("size")]
    assert not set(DOMAINS) & set(FURTHER)
    assert {target for direction in DIRECTIONS.values() for target in direction.targets} <= set(DOMAINS)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", LOOKS)
def test_only_the_looks_of_a_clip_are_others(name: str, split: str) -> None:
    for index in range(3):
        base, clip = (make_clip(SPEC, domain, split, index) for domain in (FURTHER[name].base, name))
        assert (clip.label, clip.digit) == (base.label, base.digit)
        assert (clip.trajectory.reflections, clip.trajectory.radius) == (
            base.trajectory.reflections,
            base.trajectory.radius,
        )
        np.testing.assert_array_equal(clip.trajectory.positions, base.trajectory.positions)
        assert (clip.frames == base.frames).all() == (name == "mnist_bg_half_flicker")


@pytest.mark.parametrize("spec", [SPEC, TemporalShapeSpec.paper_text()], ids=["released", "paper"])
@pytest.mark.parametrize("name", names_of("reversed"))
def test_reversed_clips_are_their_bases_backwards_with_all_that_changes_from_frame_to_frame(
    name: str, spec: TemporalShapeSpec
) -> None:
    for base, clip in pairs(name, spec):
        assert (clip.label, clip.digit, clip.octaves) == (base.label, base.digit, base.octaves)
        np.testing.assert_array_equal(clip.frames, base.frames[::-1])
        np.testing.assert_array_equal(clip.trajectory.positions, base.trajectory.positions[::-1])
        assert clip.noise_seeds == base.noise_seeds[::-1]


@pytest.mark.parametrize("name", names_of("shuffled"))
def test_shuffled_clips_have_the_frames_of_their_bases_in_orders_of_their_own(name: str) -> None:
    for base, clip in pairs(name, SPEC):
        before, after = (
            [(*place, frame.tobytes()) for place, frame in zip(each.trajectory.positions, each.frames, strict=True)]
            for each in (base, clip)
        )
        assert before != after
        assert sorted(before) == sorted(after)
    moved = [
        clip.trajectory.positions.tolist().index(base.trajectory.positions[0].tolist()) for base, clip in pairs(name)
    ]
    assert len(set(moved)) > 15


def test_backgrounds_of_a_dot_are_of_the_same_noise_that_changes_stands_or_drifts() -> None:
    for index in range(CLIPS):
        flicker, static, drift = (
            make_clip(RAW, f"2dot_{name}", "test", index) for name in ("flicker", "static", "drift")
        )
        assert flicker.octaves == static.octaves == drift.octaves > 0
        assert len(set(flicker.noise_seeds)) > 5
        assert static.noise_seeds == drift.noise_seeds == flicker.noise_seeds[:1] * 20
        assert flicker.drift == static.drift == (0, 0)
        assert np.hypot(*drift.drift) == pytest.approx(DRIFT)
        for clip in (flicker, static):
            for time, frame in enumerate(clip.frames):
                noise = 127.5 * perlin_image(clip.octaves, clip.noise_seeds[time]).T
                np.testing.assert_array_equal(frame, with_dot(noise, clip, time))


def with_dot(noise: np.ndarray, clip: Clip, time: int) -> np.ndarray:
    """What a frame of ``2dot`` on noise (H, W) is: white is added, and does not vanish but at the border."""
    expected, (x, y) = noise.copy(), clip.trajectory.positions[time].astype(int)
    if min(x, y) >= 1:
        expected[y - 1 : y + 2, x - 1 : x + 2] += 255
    return np.clip(expected, 0, 255).astype(np.uint8)


def test_a_drifting_background_is_one_noise_that_moves_as_the_clip_says() -> None:
    angles = set()
    for index in range(CLIPS):
        clip = make_clip(RAW, "2dot_drift", "test", index)
        noise = 127.5 * perlin_image(clip.octaves, clip.noise_seeds[0], 64, 38).T
        start = np.maximum(19 * np.array(clip.drift), 0)
        for time, frame in enumerate(clip.frames):
            x, y = np.trunc(start - time * np.array(clip.drift)).astype(int)
            np.testing.assert_array_equal(frame, with_dot(noise[y : y + 64, x : x + 64], clip, time))
        angles.add(int(4 * (1 + np.arctan2(*clip.drift) / np.pi)))
    assert angles == set(range(8))


def test_paired_noise_is_that_of_all_domains() -> None:
    for index in range(20):
        clips = [make_clip(SPEC, name, PAIRED, index) for name in ("mnist_bg", "2dot_flicker", "mnist_bg_half_slow")]
        assert len({(clip.label, clip.octaves, clip.noise_seeds) for clip in clips}) == 1
        assert make_clip(SPEC, "2dot_static", PAIRED, index).noise_seeds[0] == clips[0].noise_seeds[0]


@pytest.mark.parametrize("width", [1, 7, 11])
def test_squares_of_another_size_have_the_same_centres_and_vanish_with_those_of_their_base(width: int) -> None:
    cut = 0
    for base, clip in pairs(f"2dot_size{width}"):
        assert clip.visible_frames == base.visible_frames
        for before, after, (x, y) in zip(base.frames, clip.frames, clip.trajectory.positions.astype(int), strict=True):
            rows, columns = np.nonzero(after)
            assert bool(len(rows)) == before.any()
            if len(rows) and width // 2 <= min(x, y) <= max(x, y) < 64 - width // 2:
                assert (rows.mean(), columns.mean(), len(rows)) == (y, x, width**2)
            cut += 0 < len(rows) < width**2
    assert bool(cut) == (width > 1)


@pytest.mark.parametrize(("percent", "level"), [(50, 127), (25, 63), (10, 25)])
def test_contrast_is_a_share_of_the_objects_grey_levels_and_leaves_the_noise(percent: int, level: int) -> None:
    for base, clip in pairs(f"2dot_contrast{percent}"):
        np.testing.assert_array_equal(clip.frames, np.where(base.frames == 255, level, 0))
    for _, clip in pairs(f"mnist_bg_half_contrast{percent}")[:20]:
        (x, y), symbol = clip.trajectory.positions[9].astype(int), shrunk(mnist("test")[clip.digit])
        expected = 127.5 * perlin_image(clip.octaves, clip.noise_seeds[9]).T
        expected[y : y + 14, x : x + 14] += (symbol * (percent / 100)).astype(np.uint8)
        np.testing.assert_array_equal(clip.frames[9], np.clip(expected, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("factor", "pace"), [("slow", 0.5), ("fast", 1.5)])
def test_another_pace_draws_the_same_shape_from_the_same_start_in_another_size(factor: str, pace: float) -> None:
    free = 0
    for name in names_of(factor):
        for base, clip in pairs(name):
            one, other = base.trajectory, clip.trajectory
            assert (clip.label, clip.digit, clip.noise_seeds) == (base.label, base.digit, base.noise_seeds)
            np.testing.assert_array_equal(other.positions[0], one.positions[0])
            np.testing.assert_equal((other.speed, other.radius), (pace * one.speed, pace * one.radius))
            if one.reflections == other.reflections == 0:
                free += 1
                np.testing.assert_allclose(
                    np.diff(other.positions, axis=0), pace * np.diff(one.positions, axis=0), atol=1e-9
                )
    assert free > CLIPS


@pytest.mark.parametrize("frames", [30, 40])
def test_longer_clips_show_the_same_path_from_end_to_end(frames: int) -> None:
    for name in names_of(f"long{frames}"):
        for base, clip in pairs(name):
            one, other = base.trajectory, clip.trajectory
            assert (clip.label, clip.digit, clip.octaves) == (base.label, base.digit, base.octaves)
            assert (clip.frames.shape, len(clip.noise_seeds)) == ((frames, 64, 64), frames if base.octaves else 0)
            np.testing.assert_equal(other.speed * (frames - 1), one.speed * 19)
            assert (other.radius, other.reflections) == (one.radius, one.reflections)
            np.testing.assert_allclose(other.positions[[0, -1]], one.positions[[0, -1]], atol=1e-9)
            # Frame 13 of 30 is at 13 * 19 / 29 = 8.517 of the base's, of 40 at 6.333.
            before, share = divmod(13 * 19 / (frames - 1), 1)
            between = one.positions[int(before)] * (1 - share) + one.positions[int(before) + 1] * share
            np.testing.assert_allclose(other.positions[13], between, atol=1e-9)
            assert (
                np.hypot(*np.diff(other.positions, axis=0).T).max() < np.hypot(*np.diff(one.positions, axis=0).T).max()
            )
        assert max(clip.visible_frames for _, clip in pairs(name)) == frames


@pytest.mark.parametrize("name", names_of("occluder"))
def test_a_bar_hides_the_object_halfway_and_nothing_else(name: str) -> None:
    hidden, across = [], set()
    for base, clip in pairs(name):
        grey = (clip.frames == GREY).all(axis=0)
        rows, columns = grey.all(axis=1), grey.all(axis=0)
        across.add((int(rows.sum()), int(columns.sum())))
        bar = rows[:, None] | columns[None]
        assert (clip.frames[:, bar] == GREY).all()
        np.testing.assert_array_equal(clip.frames[:, ~bar], base.frames[:, ~bar])
        size = 3 if base.digit < 0 else 14
        centre = clip.trajectory.positions[10].astype(int) + (0 if base.digit < 0 else 7)
        assert bar[tuple(np.clip(centre[::-1], 0, 63))]
        if base.digit < 0:
            assert clip.visible_frames == sum(frame.any() for frame in np.where(bar, 0, clip.frames))
            hidden.append(base.visible_frames - clip.visible_frames)
        else:
            assert clip.visible_frames == 20, f"a digit of {size} pixels is wider than the bar"
    assert across == {(BAR_WIDTH, 0), (0, BAR_WIDTH)}
    assert not hidden or (min(hidden) >= 1 and np.mean(hidden) == pytest.approx(6.5, abs=1))


def test_a_factor_that_the_spec_has_already_is_left_out() -> None:
    direction, paper = DIRECTIONS["mnist_bg"], TemporalShapeSpec.paper_text()
    noise = ["static", "flicker", "drift"]
    assert direction.with_factors(noise, SPEC).further == ("mnist_bg_half_static", "mnist_bg_half_drift")
    assert direction.with_factors(noise, paper).further == ("mnist_bg_half_flicker", "mnist_bg_half_drift")
    assert DIRECTIONS["2dot"].with_factors(noise, SPEC).further == ("2dot_static", "2dot_flicker", "2dot_drift")
    assert DIRECTIONS["2dot"].with_factors(noise, paper).further == ("2dot_static", "2dot_flicker", "2dot_drift")
    moving = make_clip(paper, "mnist_bg_half_flicker", "test", 0)
    assert len(set(moving.noise_seeds)) == 20
    assert len(set(make_clip(paper, "mnist_bg_half", "test", 0).noise_seeds)) == 1


def test_a_direction_is_also_tested_on_its_own_domain_with_factors() -> None:
    direction = replace(DIRECTIONS["2dot"].with_factors(["drift", "size7"], SPEC), also=("kannada",))
    targets = [part for part, role in direction.evaluations.items() if role == "target"]
    own = [f"{domain}/test" for domain in DIRECTIONS["2dot"].targets]
    assert targets == [*own, "2dot_drift/test", "2dot_size7/test", "kannada/test"]
    both = replace(direction, paired=True)
    assert [part for part, role in both.evaluations.items() if role == PAIRED] == [
        f"{domain}/paired" for domain in ("2dot", *DIRECTIONS["2dot"].targets, "2dot_drift", "2dot_size7")
    ]
    for each in (direction, both):
        assert DIRECTIONS["2dot"].within(each.parts) == each


def test_all_factors_are_those_that_change_something_of_a_source() -> None:
    sizes, models = ["size1", "size7", "size11"], ["cnn3d"]
    assert (
        factors_of(["2dot"], models, ["all"], SPEC)
        == factors_of(["mnist_bg", "2dot"], models, ["all"], SPEC)
        == tuple(FACTORS)
    )
    released = tuple(name for name in FACTORS if name not in [*sizes, "flicker"])
    assert factors_of(["mnist_bg"], models, ["all"], SPEC) == released
    text = factors_of(["mnist_bg"], models, ["all"], TemporalShapeSpec.paper_text())
    assert set(text) == {*released, "flicker"} - {"static"}
    assert factors_of(["2dot"], models, ["slow", "drift", "slow"], SPEC) == ("slow", "drift")
    assert factors_of(["2dot"], ["cnn3d", "convgru"], ["long30"], SPEC) == ("long30",)
    assert factors_of(["2dot"], models, [], SPEC) == ()
    assert factors_of(["mnist_bg"], models, ["flicker", "drift"], SPEC) == ("flicker", "drift"), "as in another spec"


@pytest.mark.parametrize(
    ("sources", "factor", "message"),
    [
        (["2dot"], "reverse", "unknown factor of 2dot 'reverse'; did you mean reversed? valid: static, flicker, "),
        (["mnist_bg"], "size7", "unknown factor of mnist_bg 'size7'; valid: static, .*, shuffled, all$"),
        (["mnist_bg"], "flicker", "^flicker changes nothing of the clips of mnist_bg, which have it already; valid: "
                                  "static, drift, .*, shuffled, all$"),
        (["2dot", "mnist_bg"], "2dot_drift", "unknown factor of 2dot and mnist_bg '2dot_drift';"),
        (["3dot"], "drift", "unknown source domain '3dot'; valid: 2dot, mnist_bg"),
        (["2dot"], "long40", "factor long40 has longer clips, which cnn3d and vivit cannot take; valid: static, .*, "
                             "fast, reversed, shuffled, or a model of any length"),
    ],
)  # fmt: skip
def test_factors_that_are_none_are_named(sources: list[str], factor: str, message: str) -> None:
    with pytest.raises(BadInput, match=message.replace("?", r"\?")):
        factors_of(sources, ["cnn3d", "vivit"], [factor], SPEC)


def test_each_further_domain_has_a_name_and_about_six_words() -> None:
    assert set(NAMED) == {*DOMAINS, *FURTHER}
    assert len({named.label for named in NAMED.values()}) == len(NAMED)
    assert NAMED["mnist_bg_half_drift"] == ("MNIST-bg half drift", "on noise that drifts behind it")
    assert {len(factor.looks.split()) for factor in FACTORS.values()} <= {5, 6, 7}
    assert len({factor.looks for factor in FACTORS.values()}) == len(FACTORS)


def test_the_page_tells_of_every_factor(repository: Path) -> None:
    page = (repository / "docs/temporal-shape.md").read_text()
    table = page[page.index("| factor |") :].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", table) == list(FACTORS)
    assert all(factor.looks in table for name, factor in FACTORS.items() if not name[-1].isdigit())
