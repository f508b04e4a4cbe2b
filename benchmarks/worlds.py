"""Sweeps of the paper's shape with a known truth, drawn as ``Answers``: no predictions, no training. Numpy and pandas.

A world says what a trial that learns answers rightly on average, by source, model, size and evaluation set, and how
often a trial never learns: then it guesses, everywhere. A clip is as hard for all trials, a trial's skill varies by
seed, and what all sizes of a model have in common under a seed varies, too. Skill and difficulty add up on the probit
scale, on which the mean stays the stated accuracy exactly. ``source_val`` is the best of several epochs, as in a real
trial, so that it flatters the trial whose accuracy has more noise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from rac_ray.results.answers import Answers, Draws, Part
from rac_ray.results.robustness import above_chance
from rac_ray.studies.temporal_shape.grid import MODELS, PAPER, PAPER_HIDDEN_UNITS

Array = NDArray[np.float64]
SIZES = PAPER_HIDDEN_UNITS
CLASSES = 5
CHANCE = 1 / CLASSES
EPOCHS = 10
"""Evaluations on the validation clips among which a trial's best one is, each with noise of its own."""
BEST_OF_EPOCHS = 1.5388
"""Expected maximum of EPOCHS standard normal values (Harter 1961, "Expected values of normal order statistics")."""
SHARED = 0.3
"""Share of a clip's difficulty that is the same for all trials, as a variance on the probit scale."""
BY_MODEL, BY_TRIAL = (0.08, 0.05), (0.08, 0.06)
"""Deviations of skill between seeds, common to a model's sizes or one trial's own: on all sets, and on each."""
NOISE = (1.0, 0.7, 1.3, 1.1)
"""Factor of these by model: seeds of some vary more than those of others."""
TARGETS: Mapping[str, tuple[str, ...]] = {"2dot": ("5dot", "mnist", "mnist_bg"), "mnist_bg": ("mnist", "5dot", "2dot")}
OWN_DOMAIN = {"2dot": "2dot", "mnist_bg": "mnist_bg_half"}
PER_SIZE = (900, 800, 700, 8000)
"""Parameters per hidden unit, roughly, by model."""


@dataclass(frozen=True)
class World:
    """What is true of every sweep that is drawn from it."""

    name: str
    accuracy: Mapping[str, Array]
    """By source: (models, sizes, 1 + targets) top-1 on new clips of trials that learn, the source's own first."""
    never_learns: Array
    """(models, sizes) chance that a trial guesses."""
    noise: float = 1.0
    """Factor of all deviations between seeds."""


@dataclass(frozen=True)
class Asked:
    """One evaluation set: how many clips it has, and each trial's (N,) place on the probit scale, NaN if not asked."""

    skill: Array
    clips: int
    epochs: int = 1
    """Evaluations among which the best one counts."""


def best_of_epochs(top1: ArrayLike, clips: int = PAPER.val_clips) -> Array:
    """Expected best validation top-1 of trials of this accuracy: normal noise of the clips in each epoch."""
    share = np.asarray(top1, float)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    given = ndtr((ndtri(share)[..., None] - np.sqrt(SHARED) * nodes) / np.sqrt(1 - SHARED))
    variance = (given * (1 - given)) @ weights / weights.sum()
    return np.minimum(1.0, share + BEST_OF_EPOCHS * np.sqrt(variance / clips))


def sweep(world: World, *, seeds: int = 5, draw: int = 0, draws: int = 200) -> Answers:
    """One sweep of the paper's grid in this world; the same one for the same numbers."""
    rng = np.random.default_rng(draw)
    trials, evaluations = _grid(tuple(world.accuracy), seeds)
    model = np.array([MODELS.index(each) for each in trials["model"]])
    size = np.array([SIZES.index(each) for each in trials["hidden_units"]])
    guesses = rng.random(len(trials)) < world.never_learns[model, size]
    scale = world.noise * np.asarray(NOISE)[model] * ~guesses
    everywhere = _luck(rng, trials, BY_MODEL[0], BY_TRIAL[0])
    deviation = np.sqrt(sum(part**2 for part in (*BY_MODEL, *BY_TRIAL))) * scale
    asked: dict[Part, Asked] = {}
    for source in world.accuracy:
        mine = trials["source"].to_numpy() == source
        for place, domain in enumerate((OWN_DOMAIN[source], *TARGETS[source])):
            mean = np.where(guesses, CHANCE, world.accuracy[source][model, size, place])
            luck = everywhere + _luck(rng, trials, BY_MODEL[1], BY_TRIAL[1])
            skill = np.where(mine, ndtri(mean) * np.sqrt(1 + deviation**2) + scale * luck, np.nan)
            test = asked.get((domain, "test"))
            skill_there = skill if test is None else np.where(mine, skill, test.skill)
            asked[domain, "test"] = Asked(skill_there, PAPER.test_clips)
            if not place:
                asked[domain, "val"] = Asked(skill, PAPER.val_clips, EPOCHS)
    return answered(rng, trials, evaluations, asked, draws)


def answered(
    rng: Generator, trials: pd.DataFrame, evaluations: pd.DataFrame, asked: Mapping[Part, Asked], draws: int
) -> Answers:
    """What trials of these skills answer, as observed and on resampled clips, and which of them learned.

    ``trials`` and ``evaluations`` are those of ``Answers``, but for ``learned``.
    """
    top1, right = {}, {}
    learned = np.ones(len(trials), bool)
    for part, each in asked.items():
        right[part] = _right(rng, each)
        top1[part] = _weights(each.clips, draws) @ right[part].astype(np.float32).astype(float)
        top1[part][:, np.isnan(each.skill)] = np.nan
        if each.epochs > 1:
            count = right[part].sum(axis=0)
            learned &= np.isnan(each.skill) | _learned(each.clips, each.epochs)[count]
    return Answers(trials.assign(learned=learned), top1, right, evaluations)


def _right(rng: Generator, asked: Asked) -> NDArray[np.bool_]:
    """(n clips, N) right answers, of the best epoch."""
    difficulty = rng.normal(size=(asked.clips, 1))
    chance = ndtr((asked.skill - np.sqrt(SHARED) * difficulty) / np.sqrt(1 - SHARED))
    chance = np.nan_to_num(chance, copy=False).astype(np.float32)
    right = rng.random((asked.epochs, *chance.shape), np.float32) < chance
    best = right.sum(axis=1).argmax(axis=0)
    return np.take_along_axis(right, best[None, None, :], axis=0)[0]


def _luck(rng: Generator, trials: pd.DataFrame, by_model: float, by_trial: float) -> Array:
    """(N,) deviations of skill: one of a model's trials of one seed and source, one of each trial."""
    group = trials.groupby(["source", "model", "seed"], sort=False).ngroup().to_numpy()
    return by_model * rng.normal(size=group.max() + 1)[group] + by_trial * rng.normal(size=len(trials))


@lru_cache
def _grid(sources: tuple[str, ...], seeds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    keys = ["source", "model", "hidden_units", "seed"]
    trials = pd.MultiIndex.from_product([sources, MODELS, SIZES, range(seeds)], names=keys).to_frame(index=False)
    per_size = np.array(PER_SIZE)[[MODELS.index(model) for model in trials["model"]]]
    trials = trials.assign(
        trial_id=trials.index.astype(str), size="", experiment="", recipe="", classes=CLASSES,
        parameters=trials["hidden_units"] * per_size,
    )  # fmt: skip
    rows = []
    for source in sources:
        own = OWN_DOMAIN[source]
        rows += [(source, own, "val", "source_val", PAPER.val_clips), (source, own, "test", "source_test", 0)]
        rows += [(source, target, "test", "target", 0) for target in TARGETS[source]]
    evaluations = pd.DataFrame(rows, columns=["source", "target", "split", "role", "clips"])
    return trials, evaluations.replace({"clips": {0: PAPER.test_clips}})


@lru_cache
def _weights(clips: int, draws: int) -> Draws:
    """(1 + D, n clips) each clip's weight in the mean: as observed, then resampled, the same for all sweeps."""
    drawn = np.random.default_rng(0).multinomial(clips, np.full(clips, 1 / clips), draws)
    return np.vstack([np.ones(clips), drawn]) / clips


@lru_cache
def _learned(clips: int, epochs: int) -> NDArray[np.bool_]:
    """(n clips + 1,) whether a trial with so many right answers has learned."""
    return np.array([above_chance(count / clips, clips, epochs, CLASSES) for count in range(clips + 1)])


LOW_TO_HIGH = ((0.40, 0.70), (0.64, 0.95), (0.38, 0.70), (0.50, 0.85))
"""Source top-1 of the smallest and the largest size, by model: models that differ strongly in what they learn."""
ALIKE = ((0.50, 0.85),) * 4
GROWTH = np.log2(np.array(SIZES) / SIZES[0]) / np.log2(SIZES[-1] / SIZES[0])
"""(sizes,) from 0 at the smallest to 1 at the largest, by doublings."""
KEPT = {"5dot": 0.85, "mnist": 0.5, "mnist_bg": 0.2, "2dot": 0.4}
"""What is kept of the source accuracy on a target, by the sense of the world."""
NEVER = np.zeros((len(MODELS), len(SIZES)))


def _source(ends: tuple[tuple[float, float], ...]) -> Array:
    low, high = np.array(ends).T[:, :, None]
    return low + (high - low) * GROWTH


def _of(source_top1: Array, kept: Callable[[str, Array], Array]) -> dict[str, Array]:
    """The accuracies of a world whose target top-1 follows from the source's."""
    return {
        source: np.stack([source_top1, *(kept(target, source_top1) for target in targets)], axis=-1)
        for source, targets in TARGETS.items()
    }


def raw() -> World:
    """Every model keeps the same ratio of its best validation top-1, and they differ in source top-1."""
    return World("raw", _of(_source(LOW_TO_HIGH), lambda t, s: (0.3 + 0.6 * KEPT[t]) * best_of_epochs(s)), NEVER)


def _above_chance(target: str, source_top1: Array) -> Array:
    return CHANCE + KEPT[target] * (source_top1 - CHANCE)


def corrected() -> World:
    """Every model keeps the same share of what lies above chance, and they differ in source top-1."""
    return World("corrected", _of(_source(LOW_TO_HIGH), _above_chance), NEVER)


def equal() -> World:
    """All models are equal, but for how much their seeds vary."""
    return World("equal", _of(_source(ALIKE), _above_chance), NEVER)


def on_the_line() -> World:
    """Target top-1 is one function of source top-1, a line of probits (Miller et al. 2021), and the latter differs."""
    return World("on the line", _of(_source(LOW_TO_HIGH), lambda t, s: ndtr(1.2 * KEPT[t] * ndtri(s) - 0.6)), NEVER)


def failing() -> World:
    """All models are equal where they learn; a third of the trials never do, more often some models'."""
    chances = np.array([0.1, 0.2, 0.6, 0.4])[:, None] + NEVER
    return World("failing", equal().accuracy, chances)


def undertrained() -> World:
    """Small sizes stay near chance, up to other sizes by model; the same share of what lies above chance is kept."""
    onset = np.array([0.15, 0.05, 0.6, 0.4])[:, None]
    learnt = 1 / (1 + np.exp(-(GROWTH - onset) / 0.08))
    return World("undertrained", _of(CHANCE + 0.02 + 0.65 * learnt, _above_chance), NEVER)


def different(effect: float = 0.1) -> World:
    """The paper's claims hold, in all senses: what models keep above chance, and its slopes, differ by ``effect``."""
    return World(f"different by {effect:g}", _claimed(effect, even=False), NEVER)


def almost(effect: float = 0.25) -> World:
    """As ``different``, but each claim of several contrasts has an even one: TimeSf-1 is like the 3D CNN, and TimeSf-8
    keeps the same at all sizes."""
    return World("almost", _claimed(effect, even=True), NEVER)


def at_the_limits(effect: float = 0.25) -> World:
    """As ``different``, but what has to lie below a limit lies at it: best validation top-1 of TimeSf-1's small sizes,
    and top-1 of the 3D CNN on MNIST-bg."""
    accuracy = _claimed(effect, even=False)
    limit, (_, convolving, one_frame, _) = 0.3, range(len(MODELS))
    near = np.linspace(CHANCE, limit, 1001)
    accuracy["2dot"][one_frame, :2, 0] = np.interp(limit, best_of_epochs(near), near)
    accuracy["2dot"][convolving, :, 3] = limit
    return World("at the limits", accuracy, NEVER)


def _claimed(effect: float, *, even: bool) -> dict[str, Array]:
    """The accuracies of ``different``, or with ``even`` those of ``almost``."""
    recurrent, convolving, one_frame, all_frames = range(len(MODELS))
    top1 = _source(((0.60, 0.75),) * len(MODELS))
    top1[convolving] += min(effect, 0.1)
    top1[one_frame, :2] = CHANCE + 0.02
    if even:
        top1[one_frame] = top1[convolving]
    slope = effect * (GROWTH - GROWTH.mean())
    kept = {target: np.full_like(top1, share) for target, share in KEPT.items()}
    kept["mnist"][[recurrent, all_frames, *(() if even else (one_frame,))]] += 2 * effect
    kept["mnist"][convolving] -= slope
    kept["5dot"] = 0.75 + np.array([-1.0, 1.0, 1.0, 0.0 if even else 1.0])[:, None] * slope
    kept["mnist_bg"] = 0.1 - slope * np.ones_like(top1)
    if even:
        for each in kept.values():
            each[one_frame] = each[convolving]
    from_2dot = [top1, *(CHANCE + kept[target] * (top1 - CHANCE) for target in TARGETS["2dot"])]
    attending = np.full(len(MODELS), 0.4)
    attending[[all_frames, *(() if even else (one_frame,))]] += effect
    from_background = [top1] + [CHANCE + attending[:, None] * (top1 - CHANCE)] * len(TARGETS["mnist_bg"])
    return {"2dot": np.stack(from_2dot, axis=-1), "mnist_bg": np.stack(from_background, axis=-1)}


NULLS = (raw, corrected, equal, on_the_line, failing, undertrained)
