"""Appearance against facts.md 1.1, 1.5 and 1.7, and the purity of make_clip."""

import hashlib
import io
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from rac_ray.errors import BadInput
from rac_ray.studies.temporal_shape.digits import mnist, shrunk
from rac_ray.studies.temporal_shape.domains import (
    DIRECTIONS,
    DOMAINS,
    PAIRED,
    PAIRED_STAGE,
    SPLITS,
    SYMBOL_CENTRE,
    Clip,
    TemporalShapeSpec,
    make_clip,
    pool_index,
)
from rac_ray.studies.temporal_shape.drawing import Noise, draw, jpeg_round_trip
from rac_ray.studies.temporal_shape.perlin import perlin_image
from rac_ray.studies.temporal_shape.spec import SPECS
from rac_ray.studies.temporal_shape.trajectories import LABEL_NAMES, start_range

SPEC = TemporalShapeSpec()
RAW = replace(SPEC, jpeg_quality=0)

GOLDEN = {
    "2dot": "5dd19ff72fee4aa6",
    "5dot": "cdb7ba2d7733f4fb",
    "mnist": "054309b8124fcc34",
    "mnist_bg": "ff44536dbe74556e",
    "mnist_bg_half": "d78ba6052355cf9f",
}
GOLDEN_PAIRED = {
    "2dot": "dbb5e58a0d37b383",
    "5dot": "85a19fe57b4eae79",
    "mnist": "edc0d3a142e02ce7",
    "mnist_bg": "5944205f251e0b59",
    "mnist_bg_half": "f64a0a5930615150",
}
GOLDEN_SEVEN = {
    "2dot": ("52dad943fe1e365c", "45e96deb289150a2"),
    "mnist_bg_half": ("604f18fbfbf086e4", "c0eaede678a6cd50"),
}
"""Of train, val and test, and of paired clips, with seven shapes."""
COUNTERFACTUALS = 200
ALWAYS = np.ones(20, bool)


def pixels_of(domain: str, splits: Sequence[str], spec: TemporalShapeSpec = SPEC) -> str:
    digest = hashlib.sha256()
    for split in splits:
        for index in range(4):
            clip = make_clip(spec, domain, split, index)
            digest.update(bytes([clip.label]) + clip.frames.tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("domain", DOMAINS)
def test_golden_pixels(domain: str) -> None:
    """A change here changes the data: raise GENERATOR_VERSION, look at the clips, then bless the new hash."""
    assert pixels_of(domain, ["train", "val", "test"]) == GOLDEN[domain]
    assert pixels_of(domain, [PAIRED]) == GOLDEN_PAIRED[domain]


@pytest.mark.parametrize("domain", GOLDEN_SEVEN)
def test_golden_pixels_of_seven_shapes(domain: str) -> None:
    spec = SPECS["seven"]
    hashes = pixels_of(domain, ["train", "val", "test"], spec), pixels_of(domain, [PAIRED], spec)
    assert hashes == GOLDEN_SEVEN[domain]


def test_seven_shapes_are_the_studys_and_two_more() -> None:
    assert SPECS["seven"] == replace(SPEC, shapes=7)
    assert SPECS["seven"].label_names == ("circle", "spiral", "line", "rectangle", "arc", "zigzag", "s")
    for labels in ("uniform", "balanced"):
        spec = replace(RAW, labels=labels, shapes=7)
        counts = np.bincount([make_clip(spec, "2dot", "test", index).label for index in range(700)], minlength=7)
        assert counts.tolist() == [100] * 7 if labels == "balanced" else 60 < counts.min() < 100 < counts.max()


def test_the_number_of_shapes_is_told_only_where_it_is_not_the_studys() -> None:
    """Identities of clips that were made before it must not change."""
    assert "shapes" not in SPEC.as_dict()
    assert SPECS["seven"].as_dict() == {**SPEC.as_dict(), "shapes": 7}
    assert all(TemporalShapeSpec(**spec.as_dict()) == spec for spec in SPECS.values())  # type: ignore[arg-type]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_clip_does_not_depend_on_order_or_company(domain: str) -> None:
    order = list(range(12))
    alone = {index: make_clip(SPEC, domain, "train", index).frames for index in order}
    random.Random(1).shuffle(order)
    with ThreadPoolExecutor(4) as pool:
        together = dict(zip(order, pool.map(lambda i: make_clip(SPEC, domain, "train", i).frames, order), strict=True))
    assert all((alone[index] == together[index]).all() for index in order)


def test_splits_seeds_and_domains_have_streams_of_their_own() -> None:
    clips = [make_clip(SPEC, "2dot", split, 0) for split in SPLITS]
    clips += [make_clip(replace(SPEC, seed=1), "2dot", "train", 0), make_clip(SPEC, "5dot", "train", 0)]
    assert len({clip.trajectory.positions.tobytes() for clip in clips}) == len(clips)


def test_the_split_is_torchs_random_split_with_seed_42() -> None:
    train, val = torch.utils.data.random_split(range(5000), [4000, 1000], torch.Generator().manual_seed(42))  # type: ignore[arg-type]
    assert [pool_index("train", i) for i in range(4000)] == list(train.indices)
    assert [pool_index("val", i) for i in range(1000)] == list(val.indices)


def test_splits_never_share_a_clip_however_large() -> None:
    train = [pool_index("train", i) for i in range(6000)]
    val = [pool_index("val", i) for i in range(3000)]
    assert len(set(train + val)) == 9000
    assert pool_index("test", 123456) == pool_index(PAIRED, 123456) == 123456


def test_labels_are_uniform_and_may_be_balanced() -> None:
    def counts(spec: TemporalShapeSpec) -> list[int]:
        labels = [make_clip(spec, "2dot", "test", index).label for index in range(1000)]
        return np.bincount(labels, minlength=5).tolist()

    uniform = counts(RAW)
    assert min(uniform) > 150
    assert len(set(uniform)) > 1
    assert counts(replace(RAW, labels="balanced")) == [200] * 5


@pytest.mark.parametrize(("domain", "width"), [("2dot", 3), ("5dot", 5)])
def test_dots_are_white_squares_centred_on_the_truncated_position(domain: str, width: int) -> None:
    clip = make_clip(RAW, domain, "train", 1)
    for frame, (x, y) in zip(clip.frames, clip.trajectory.positions.astype(int), strict=True):
        rows, columns = np.nonzero(frame)
        if len(rows):
            assert (rows.mean(), columns.mean()) == (y, x)
            assert len(rows) == width**2
    assert set(np.unique(clip.frames)) == {0, 255}


def test_papers_2dot_is_two_pixels_wide() -> None:
    clip = make_clip(replace(RAW, dots="paper"), "2dot", "train", 1)
    assert (clip.frames[0] > 0).sum() == 4


def test_what_is_beyond_a_border_is_cut_and_what_is_not_shown_is_not_drawn() -> None:
    corners, dot = np.array([[-1, 29], [29, -1], [62, 62], [0, 0], [-2, 63]]), np.full((3, 3), 255, np.uint8)
    frames = draw(corners, dot, np.array([True, True, True, False, True]))
    assert [int((frame > 0).sum()) for frame in frames] == [6, 6, 4, 0, 1]
    assert (np.argwhere(frames[0]).tolist(), np.argwhere(frames[4]).tolist()) == (
        [[29, 0], [29, 1], [30, 0], [30, 1], [31, 0], [31, 1]],
        [[63, 0]],
    )


def test_a_dot_over_the_left_or_top_border_vanishes_or_is_cut() -> None:
    found: dict[str, list[int]] = {"vanish": [], "clip": []}
    for index in range(300):
        for at_border, areas in found.items():
            clip = make_clip(replace(RAW, dot_at_border=at_border), "5dot", "test", index)
            inside = np.all(clip.trajectory.positions.astype(int) >= 2, axis=1).tolist()
            seen = [int((frame > 0).sum()) for frame in clip.frames]
            assert clip.visible_frames == (20 if at_border == "clip" else sum(inside))
            areas += [area for area, whole in zip(seen, inside, strict=True) if not whole]
    assert set(found["vanish"]) == {0}
    assert set(found["clip"]) >= {15, 20}
    assert min(found["clip"]) >= 9


def test_digits_have_their_corner_at_the_truncated_position() -> None:
    clip = make_clip(RAW, "mnist", "test", 3)
    symbol = shrunk(mnist("test")[clip.digit])
    for frame, (x, y) in zip(clip.frames, clip.trajectory.positions.astype(int), strict=True):
        expected = np.zeros((64, 64), np.uint8)
        expected[y : y + 14, x : x + 14] = symbol
        np.testing.assert_array_equal(frame, expected)


def test_train_and_test_digits_come_from_their_pools() -> None:
    for split, pool in {"train": "train", "val": "train", "test": "test", PAIRED: "test"}.items():
        clips = [make_clip(RAW, "mnist", split, index) for index in range(8)]
        x, y = clips[0].trajectory.positions[0].astype(int)
        np.testing.assert_array_equal(clips[0].frames[0, y : y + 14, x : x + 14], shrunk(mnist(pool)[clips[0].digit]))
        assert (max(clip.digit for clip in clips) >= 10_000) == (pool == "train")


def test_dots_load_no_digits() -> None:
    mnist.cache_clear()
    for domain in ("2dot", "5dot"):
        assert make_clip(SPEC, domain, "train", 0).digit == -1
    assert mnist.cache_info().misses == 0
    assert make_clip(SPEC, "mnist", "test", 0).digit >= 0
    assert (mnist.cache_info().misses, mnist.cache_info().currsize) == (1, 1)


def test_other_symbols_are_drawn_as_digits_on_black_by_a_stream_of_their_own() -> None:
    pool = np.full((3, 28, 28), 200, np.uint8)
    clips = [make_clip(RAW, "kannada", "test", index, pool) for index in range(20)]
    assert {clip.digit for clip in clips} == {0, 1, 2}
    for clip in clips:
        assert set(np.unique(clip.frames)) == {0, 200}
        assert ((clip.frames > 0).sum(axis=(1, 2)) == 14 * 14).all()
        assert (clip.octaves, clip.noise_seeds) == (0, ())
    paths = [clip.trajectory.positions.tobytes() for clip in (clips[0], make_clip(RAW, "mnist", "test", 0))]
    assert paths[0] != paths[1]


@pytest.mark.parametrize(("domain", "intensity"), [("mnist_bg", 1.0), ("mnist_bg_half", 0.5)])
def test_the_background_flickers_over_135_images(domain: str, intensity: float) -> None:
    octaves, seeds = set(), set()
    for index in range(60):
        clip = make_clip(RAW, domain, "test", index)
        assert len(clip.noise_seeds) == 20
        octaves.add(clip.octaves)
        seeds |= set(clip.noise_seeds)
        (x, y), frame = clip.trajectory.positions[7].astype(int), clip.frames[7]
        noise = 255 * intensity * perlin_image(clip.octaves, clip.noise_seeds[7]).T
        expected = noise.copy()
        expected[y : y + 14, x : x + 14] += shrunk(mnist("test")[clip.digit])
        np.testing.assert_array_equal(frame, np.clip(expected, 0, 255).astype(np.uint8))
    assert octaves == set(range(1, 10))
    assert seeds == set(range(1, 16))


def test_negative_noise_darkens_the_digit() -> None:
    symbol = np.full((14, 14), 100, np.uint8)
    noise = 255 * perlin_image(3, 5).T
    x, y = 20, 30
    frame = draw(np.array([[20, 30]]), symbol, ALWAYS[:1], Noise(3, (5,), 1.0))[0]
    inside = frame[y : y + 14, x : x + 14]
    assert (inside < 100).any()
    np.testing.assert_array_equal(inside, np.clip(100 + noise[y : y + 14, x : x + 14], 0, 255).astype(np.uint8))


def test_paper_text_has_one_background_more_seeds_and_no_jpeg() -> None:
    clip = make_clip(TemporalShapeSpec.paper_text(), "mnist_bg", "test", 0)
    assert len(set(clip.noise_seeds)) == 1
    drawn = {make_clip(TemporalShapeSpec.paper_text(), "mnist_bg", "test", i).octaves for i in range(150)}
    assert drawn == set(range(1, 11))


def test_jpeg_round_trip_equals_one_pil_file_per_frame() -> None:
    raw = make_clip(RAW, "mnist_bg", "train", 0).frames

    def through_pil(frame: np.ndarray) -> np.ndarray:
        sink = io.BytesIO()
        Image.fromarray(frame).save(sink, "JPEG")  # PIL's default quality is 75
        return np.asarray(Image.open(sink))

    np.testing.assert_array_equal(jpeg_round_trip(raw, 75), np.stack([through_pil(frame) for frame in raw]))
    np.testing.assert_array_equal(make_clip(SPEC, "mnist_bg", "train", 0).frames, jpeg_round_trip(raw, 75))


@pytest.fixture(scope="module")
def counterfactuals() -> dict[str, list[Clip]]:
    """The first paired clips of each domain, without JPEG's blur."""
    return {domain: [make_clip(RAW, domain, PAIRED, index) for index in range(COUNTERFACTUALS)] for domain in DOMAINS}


def test_paired_clips_differ_in_their_looks_only(counterfactuals: dict[str, list[Clip]]) -> None:
    for clips in zip(*counterfactuals.values(), strict=True):
        first, of = clips[0], dict(zip(DOMAINS, clips, strict=True))
        for clip in clips:
            assert (clip.label, clip.trajectory.reflections) == (first.label, first.trajectory.reflections)
            np.testing.assert_array_equal(clip.trajectory.positions, first.trajectory.positions)
        assert of["mnist"].digit == of["mnist_bg"].digit == of["mnist_bg_half"].digit >= 0
        assert of["mnist_bg"].octaves == of["mnist_bg_half"].octaves > 0
        assert of["mnist_bg"].noise_seeds == of["mnist_bg_half"].noise_seeds
        assert len({clip.frames.tobytes() for clip in clips}) == len(clips)
    assert {clip.label for clip in counterfactuals["mnist"]} == set(range(5))
    assert len({clip.digit for clip in counterfactuals["mnist"]}) > COUNTERFACTUALS / 2


def test_the_object_of_a_paired_clip_is_at_one_place_in_all_domains(counterfactuals: dict[str, list[Clip]]) -> None:
    """To the pixel: a dot is whole around the centre of the digit's box in every frame."""
    for clips in zip(*counterfactuals.values(), strict=True):
        positions, symbol = clips[0].trajectory.positions, shrunk(mnist("test")[clips[-1].digit])
        for domain, clip in zip(DOMAINS.values(), clips, strict=True):
            if domain.dot_width is None:
                noise = Noise(clip.octaves, clip.noise_seeds, domain.intensity) if domain.intensity else None
                expected = draw(positions.astype(int), symbol, ALWAYS, noise)
                np.testing.assert_array_equal(clip.frames, expected)
                continue
            for frame, (x, y) in zip(clip.frames, positions.astype(int), strict=True):
                rows, columns = np.nonzero(frame)
                assert (rows.mean(), columns.mean()) == (y + SYMBOL_CENTRE, x + SYMBOL_CENTRE)
                assert len(rows) == domain.dot_width**2


def test_a_paired_dot_follows_the_digits_corner_where_a_sum_is_rounded_up() -> None:
    """For about one frame in 2,000 corner + 7 is rounded up to the next pixel, where the digit is not yet."""
    rounded_up = 0
    for index in range(500):
        clip = make_clip(RAW, "2dot", PAIRED, index)
        corners = clip.trajectory.positions.astype(int)
        sums = (clip.trajectory.positions + SYMBOL_CENTRE).astype(int)
        for frame in np.flatnonzero((sums != corners + SYMBOL_CENTRE).any(axis=1)):
            rounded_up += 1
            assert np.argwhere(clip.frames[frame]).mean(axis=0)[::-1].tolist() == (corners[frame] + 7).tolist()
    assert rounded_up


@pytest.mark.parametrize("domain", DOMAINS)
def test_paired_clips_keep_every_domains_walls(domain: str, counterfactuals: dict[str, list[Clip]]) -> None:
    """Positions of dots are centres; only a spiral may start outside of 5dot's own range, by 2 px."""
    stage = DOMAINS[domain].stage
    shift = SYMBOL_CENTRE if DOMAINS[domain].dot_width else 0
    outside: dict[str, set[int]] = {}
    for clip in counterfactuals[domain]:
        places = clip.trajectory.positions + shift
        assert clip.visible_frames == 20
        assert (places >= 0).all()
        assert (places <= stage.limit).all()
        margin = {"circle": 8, "arc": 8, "spiral": stage.spiral_radius}.get(LABEL_NAMES[clip.label])
        low, high = start_range(margin or int(2 * clip.trajectory.speed), stage)
        beyond = int(max(low - places[0].min(), places[0].max() - high))
        if beyond > 0:
            outside.setdefault(LABEL_NAMES[clip.label], set()).add(beyond)
    assert DOMAINS["mnist"].stage == PAIRED_STAGE
    assert outside == ({"spiral": {1, 2}} if domain == "5dot" else {})


def test_paired_dots_are_whole_in_the_papers_variant() -> None:
    spec = replace(TemporalShapeSpec.paper_text(), dot_at_border="vanish")
    for index in range(50):
        clips = {domain: make_clip(spec, domain, PAIRED, index) for domain in DOMAINS}
        assert len({clip.label for clip in clips.values()}) == 1
        assert all((clips["2dot"].frames[frame] > 0).sum() == 4 for frame in range(20))
        assert clips["mnist_bg"].noise_seeds == clips["mnist_bg_half"].noise_seeds


def test_directions_are_the_studys() -> None:
    assert DIRECTIONS["2dot"].evaluations == {
        "2dot/val": "source_val",
        "2dot/test": "source_test",
        "5dot/test": "target",
        "mnist/test": "target",
        "mnist_bg/test": "target",
        "mnist_bg_half/test": "target",
    }
    assert DIRECTIONS["mnist_bg"].train == "mnist_bg_half/train"
    assert DIRECTIONS["mnist_bg"].targets == ("mnist", "5dot", "2dot")


def test_a_direction_is_evaluated_on_the_paired_clips_that_there_are() -> None:
    for source, direction in DIRECTIONS.items():
        assert direction.within(direction.parts) == direction
        wider = direction.within([*direction.parts, f"{direction.trained_on}/paired"])
        assert wider.train == direction.train, source
        more = [f"{domain}/paired" for domain in (direction.trained_on, *direction.targets)]
        assert list(wider.evaluations.items()) == [*direction.evaluations.items(), *((part, "paired") for part in more)]
        assert wider.parts == (*direction.parts, *more)
        further = direction.within([*direction.parts, "kannada/test"])
        targets = [part for part, role in further.evaluations.items() if role == "target"]
        assert targets == [*(f"{domain}/test" for domain in direction.targets), "kannada/test"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("labels", "sorted", "unknown labels 'sorted'; valid: uniform, balanced"),
        ("background", "moving", "unknown background 'moving'; valid: flicker, static"),
        ("jpeg_quality", 101, "jpeg_quality is 101; valid: 0 to 100"),
        ("noise_seeds", 0, "noise_seeds is 0; valid: 1 to 100000"),
        ("shapes", 8, "shapes is 8; valid: 5 to 7"),
    ],
)
def test_bad_specs_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        replace(SPEC, **{field: value})  # type: ignore[arg-type]
