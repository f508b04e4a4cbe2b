"""Against facts.md 1.2 (velocities), 1.3 (start ranges) and 1.4 (walls, vanished dots)."""

from functools import cache

import numpy as np
import pytest

from rac_ray.studies.temporal_shape.domains import DOMAINS
from rac_ray.studies.temporal_shape.drawing import not_vanished
from rac_ray.studies.temporal_shape.trajectories import (
    ALL_LABEL_NAMES,
    LABEL_NAMES,
    NUM_FRAMES,
    SHAPES,
    Trajectory,
    draw_trajectory,
    mirrored_path,
    start_range,
)

DRAWS = 4000
STAGES = {name: DOMAINS[name].stage for name in ("2dot", "5dot", "mnist")}

START_RANGES = {
    ("circle", None): {"2dot": (18, 45), "5dot": (21, 42), "mnist": (30, 33)},
    ("arc", None): {"2dot": (18, 45), "5dot": (21, 42), "mnist": (30, 33)},
    ("spiral", None): {"2dot": (22, 41), "5dot": (25, 38), "mnist": (30, 33)},
    **{
        (shape, speed): ranges
        for shape in ("line", "rectangle")
        for speed, ranges in {
            1: {"2dot": (6, 57), "5dot": (9, 54), "mnist": (18, 45)},
            2: {"2dot": (10, 53), "5dot": (13, 50), "mnist": (22, 41)},
            3: {"2dot": (14, 49), "5dot": (17, 46), "mnist": (26, 37)},
        }.items()
    },
}
REFLECTED = {  # percent of clips with at least one reflection: 2dot, 5dot, mnist
    "circle": (0, 0, 0),
    "spiral": (6, 5, 25),
    "line": (66, 68, 74),
    "rectangle": (3, 2, 6),
    "arc": (23, 22, 54),
}
VANISHED = {  # percent of clips with at least one frame without a dot: 2dot, 5dot
    "circle": (0, 0),
    "spiral": (3, 4),
    "line": (21, 31),
    "rectangle": (1.5, 0),
    "arc": (9, 10),
}
TOLERANCE = 2.5  # points; three standard errors of a share of one half among DRAWS


@cache
def draws(shape: str, domain: str) -> list[Trajectory]:
    rng = np.random.default_rng([LABEL_NAMES.index(shape), list(STAGES).index(domain)])
    return [draw_trajectory(rng, LABEL_NAMES.index(shape), STAGES[domain]) for _ in range(DRAWS)]


def test_label_ids_are_the_studys() -> None:
    assert LABEL_NAMES == ("circle", "spiral", "line", "rectangle", "arc")
    assert (*LABEL_NAMES, "zigzag", "s") == ALL_LABEL_NAMES


@pytest.mark.parametrize("domain", STAGES)
@pytest.mark.parametrize(("shape", "speed"), START_RANGES)
def test_start_positions_fill_exactly_the_released_range(shape: str, speed: int | None, domain: str) -> None:
    low, high = START_RANGES[shape, speed][domain]
    starts = np.array([path.positions[0] for path in draws(shape, domain) if speed in (None, path.speed)])
    assert starts.min(axis=0).tolist() == [low, low]
    assert starts.max(axis=0).tolist() == [high, high]
    assert (starts == starts.astype(int)).all()


def test_start_range_of_a_margin() -> None:
    assert start_range(8, STAGES["2dot"]) == (18, 45)


@pytest.mark.parametrize("domain", STAGES)
@pytest.mark.parametrize("shape", SHAPES)
def test_share_of_reflected_clips(shape: str, domain: str) -> None:
    """facts.md counts over all twenty velocities, the unseen last one too; a zero velocity behind it makes it count."""
    rng = np.random.default_rng([LABEL_NAMES.index(shape), list(STAGES).index(domain)])
    stage, reflected = STAGES[domain], 0
    for _ in range(DRAWS):
        motion = SHAPES[shape](rng, stage)
        low, high = start_range(motion.margin, stage)
        start = tuple(rng.integers(low, high + 1, size=2).tolist())
        reflected += mirrored_path(start, np.vstack([motion.velocities, [0, 0]]), stage.limit)[1] > 0
    assert 100 * reflected / DRAWS == pytest.approx(REFLECTED[shape][list(STAGES).index(domain)], abs=TOLERANCE)


@pytest.mark.parametrize("domain", ["2dot", "5dot"])
@pytest.mark.parametrize("shape", SHAPES)
def test_share_of_clips_with_a_vanished_dot(shape: str, domain: str) -> None:
    width = DOMAINS[domain].dot_width
    assert width
    seen = [not_vanished(path.positions.astype(int), width).all() for path in draws(shape, domain)]
    share = 100 * (1 - np.mean(seen))
    assert share == pytest.approx(VANISHED[shape][list(STAGES).index(domain)], abs=TOLERANCE)


@pytest.mark.parametrize("domain", STAGES)
@pytest.mark.parametrize("shape", SHAPES)
def test_paths_stay_inside_the_walls(shape: str, domain: str) -> None:
    positions = np.stack([path.positions for path in draws(shape, domain)])
    assert positions.shape == (DRAWS, NUM_FRAMES, 2)
    assert positions.min() >= 0
    assert positions.max() <= STAGES[domain].limit


@pytest.mark.parametrize("shape", ["circle", "arc", "line", "rectangle"])
def test_path_length_is_nineteen_steps_of_the_speed(shape: str) -> None:
    for path in draws(shape, "2dot"):
        steps = np.linalg.norm(np.diff(path.positions, axis=0), axis=1)
        np.testing.assert_allclose(steps, path.speed, atol=1e-9)
        assert path.speed in ({1, 2, 3} if shape in ("line", "rectangle") else {2})


@pytest.mark.parametrize(("domain", "radius"), [("2dot", 10), ("5dot", 10), ("mnist", 8)])
def test_spiral_steps_grow_or_shrink_to_k_times_r(domain: str, radius: int) -> None:
    ks = set()
    for path in draws("spiral", domain):
        steps = np.linalg.norm(np.diff(path.positions, axis=0), axis=1)
        k = path.radius / radius
        ks.add(round(k * 10))
        growing = k * np.linspace(0, radius, NUM_FRAMES)
        fits = [np.allclose(steps, grown[:-1], atol=1e-9) for grown in (growing, growing[::-1])]
        assert any(fits)
        assert np.isnan(path.speed)
    assert ks == set(range(2, 11))


def test_circle_and_arc_have_one_size() -> None:
    for path in draws("circle", "2dot"):
        assert path.radius == pytest.approx(6.05, abs=0.01)
        assert 12 <= np.ptp(path.positions, axis=0).max() <= 14.2
    assert {round(path.radius, 1) for path in draws("arc", "2dot")} == {12.1}


def test_rectangle_is_a_square_of_five_frames_a_side() -> None:
    for path in draws("rectangle", "2dot"):
        if not path.reflections:
            np.testing.assert_allclose(np.ptp(path.positions, axis=0), 5 * path.speed, atol=1e-9)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("domain", ["2dot", "mnist"])
def test_a_zigzag_turns_at_right_angles_after_each_five_frames_in_turn(domain: str, backwards: bool) -> None:
    found: dict[tuple[float, bool], int] = {}
    for path in free_paths("zigzag", domain):
        steps = np.diff(path.positions[::-1] if backwards else path.positions, axis=0)
        np.testing.assert_allclose(np.hypot(*steps.T), path.speed, atol=1e-9)
        (first,) = set(np.flatnonzero(np.abs(turns_of(steps)) > 1e-6).tolist()[:1])
        at = [first, first + 5, first + 10]
        turns = turns_of(steps)
        np.testing.assert_allclose(np.delete(turns, at), 0, atol=1e-6)
        np.testing.assert_allclose(turns[at], np.array([1, -1, 1]) * turns[first], atol=1e-6)
        assert abs(turns[first]) == pytest.approx(np.pi / 2)
        key = (path.speed, bool(turns[first] > 0))
        found[key] = found.get(key, 0) + 1
        assert path.radius == 2.5 * path.speed
    assert {speed for speed, _ in found} == {1, 2, 3}
    assert len(found) == 6


@pytest.mark.parametrize("backwards", [False, True])
def test_an_s_is_half_a_turn_and_half_a_turn_back(backwards: bool) -> None:
    first_left = 0
    paths = free_paths("s", "2dot")
    for path in paths:
        steps = np.diff(path.positions[::-1] if backwards else path.positions, axis=0)
        np.testing.assert_allclose(np.hypot(*steps.T), 2.0, atol=1e-9)
        turns, straight = turns_of(steps), 8 if backwards else 9
        side = np.sign(turns[0])
        expected = np.where(np.arange(18) < straight, side, -side) * np.pi / 9
        expected[straight] = 0
        np.testing.assert_allclose(turns, expected, atol=1e-6)
        first_left += int(side > 0)
        assert path.radius == pytest.approx(18 / np.pi)
    assert first_left / len(paths) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("shape", "share"), [("zigzag", 0.43), ("s", 0.13)])
def test_share_of_further_paths_that_meet_a_wall(shape: str, share: float) -> None:
    rng = np.random.default_rng(0)
    paths = [draw_trajectory(rng, ALL_LABEL_NAMES.index(shape), STAGES["2dot"]) for _ in range(DRAWS)]
    assert np.mean([path.reflections > 0 for path in paths]) == pytest.approx(share, abs=0.025)
    assert min(path.positions.min() for path in paths) >= 0
    assert max(path.positions.max() for path in paths) <= STAGES["2dot"].limit


def free_paths(shape: str, domain: str) -> list[Trajectory]:
    """Those that no wall has turned round."""
    rng = np.random.default_rng(1)
    paths = [draw_trajectory(rng, ALL_LABEL_NAMES.index(shape), STAGES[domain]) for _ in range(1500)]
    return [path for path in paths if not path.reflections]


def turns_of(steps: np.ndarray) -> np.ndarray:
    """Radians between each two steps, left and right by their sign."""
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    return (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi


def test_a_wall_mirrors_the_rest_of_the_path() -> None:
    velocities = np.tile([-3.0, 1.0], (NUM_FRAMES, 1))
    positions, turns = mirrored_path((4, 10), velocities, limit=62)
    assert positions[:4].tolist() == [[4, 10], [1, 11], [4, 12], [7, 13]]
    assert turns == 1
