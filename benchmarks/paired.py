"""What pairing saves: the interval of an accuracy difference between two domains, from one set of clips or from two.

Simulated: a clip has a difficulty between 0 and 1 in each domain and is answered rightly in a domain where that is
below the model's accuracy there. For a share of the clips the two difficulties are one, which correlates the answers
(phi coefficient); accuracies that differ limit how much. Two-sample intervals get clips of their own in each domain, as
the split ``test`` does, paired ones the same clips in both, as ``paired`` does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import norm

CLIPS = 500
DATA_SETS = 2000
ACCURACIES = ((0.9, 0.8), (0.8, 0.7), (0.8, 0.6), (0.8, 0.4))
CORRELATIONS = (0.0, 0.3, 0.5, 0.7)
Z95 = float(norm.ppf(0.975))

Answers = NDArray[np.bool_]
"""(data sets, clips), True where the answer is right."""
Figures = NDArray[np.float64]
"""(data sets,)"""


@dataclass(frozen=True)
class Compared:
    """Both intervals of one pair of accuracies at one correlation, over many simulated data sets."""

    accuracies: tuple[float, float]
    correlation: float
    half_widths: tuple[float, float]
    """Root mean squares of the two-sample and the paired interval's half width."""
    coverages: tuple[float, float]
    """Shares of the data sets whose two-sample and paired interval hold the true difference."""

    @property
    def clips_ratio(self) -> float:
        """Clips per domain that two samples need for the paired interval's width, per paired clip."""
        return (self.half_widths[0] / self.half_widths[1]) ** 2


def highest_correlation(first: float, second: float) -> float:
    """The most that answers of these two accuracies, within (0, 1), can correlate: one's right ones are the other's."""
    low, high = sorted((first, second))
    return float(np.sqrt(low * (1 - high) / (high * (1 - low))))


def expected_ratio(first: float, second: float, correlation: float) -> float:
    """``clips_ratio`` for many clips: the sum of the two variances, over the same less twice the covariance."""
    one, other = first * (1 - first), second * (1 - second)
    return (one + other) / (one + other - 2 * correlation * np.sqrt(one * other))


def draw_answers(
    rng: Generator, accuracies: tuple[float, float], correlation: float, shape: tuple[int, int]
) -> tuple[Answers, Answers]:
    """Right answers to the same clips in two domains, of which difficulties are shared by as many as it takes."""
    shared = rng.random(shape) < correlation / highest_correlation(*accuracies)
    first, second = rng.random(shape), rng.random(shape)
    return first < accuracies[0], np.where(shared, first, second) < accuracies[1]


def two_sample_half(first: Answers, second: Answers) -> Figures:
    """Half width of the 95% interval of a difference of accuracies on clips that have nothing to do with each other."""
    variances = [answers.mean(axis=1) * (1 - answers.mean(axis=1)) / answers.shape[1] for answers in (first, second)]
    return Z95 * np.sqrt(variances[0] + variances[1])


def paired_half(first: Answers, second: Answers) -> Figures:
    """Half width by McNemar: only clips whose answer flips count, b and c, with variance (b + c - (b - c)^2/n)/n^2."""
    clips = first.shape[1]
    lost, gained = (first & ~second).sum(axis=1), (~first & second).sum(axis=1)
    return Z95 * np.sqrt(lost + gained - (lost - gained) ** 2 / clips) / clips


def compare(
    rng: Generator, accuracies: tuple[float, float], correlation: float, clips: int = CLIPS, data_sets: int = DATA_SETS
) -> Compared:
    """Simulate data sets of ``clips`` clips per domain and build both intervals on each."""
    shape, truth = (data_sets, clips), accuracies[1] - accuracies[0]
    first, second = draw_answers(rng, accuracies, correlation, shape)
    elsewhere = rng.random(shape) < accuracies[1]
    found = [(two_sample_half(first, elsewhere), elsewhere), (paired_half(first, second), second)]
    misses = [np.abs(other.mean(axis=1) - first.mean(axis=1) - truth) for _, other in found]
    widths = [float(np.sqrt((half**2).mean())) for half, _ in found]
    covered = [float((miss <= half).mean()) for miss, (half, _) in zip(misses, found, strict=True)]
    return Compared(accuracies, correlation, (widths[0], widths[1]), (covered[0], covered[1]))


def compare_all() -> list[Compared]:
    """Every pair of accuracies at each correlation that it allows, and at the highest."""
    rng = np.random.default_rng(0)
    rows = []
    for accuracies in ACCURACIES:
        highest = highest_correlation(*accuracies)
        possible = [*(each for each in CORRELATIONS if each < highest), highest]
        rows += [compare(rng, accuracies, correlation) for correlation in possible]
    return rows


def table(rows: list[Compared]) -> str:
    """As Markdown; half widths and coverages in %, those of two samples before those of pairs."""
    lines = [
        "| accuracies | correlation | half width, two samples | half width, pairs | clips needed, two samples per pair "
        "| in theory | coverage, two samples | coverage, pairs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        (two, pairs), (of_two, of_pairs) = row.half_widths, row.coverages
        theory = expected_ratio(*row.accuracies, row.correlation)
        first, second = (f"{100 * accuracy:.0f}" for accuracy in row.accuracies)
        highest = " (highest)" if row.correlation == highest_correlation(*row.accuracies) else ""
        lines.append(
            f"| {first} and {second} | {row.correlation:.2f}{highest} | {100 * two:.2f} | {100 * pairs:.2f} | "
            f"{row.clips_ratio:.2f} | {theory:.2f} | {100 * of_two:.1f} | {100 * of_pairs:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    noise = 100 * Z95 * np.sqrt(0.95 * 0.05 / DATA_SETS)
    print(f"{CLIPS} clips per domain, {DATA_SETS:,} simulated data sets per row; intervals of 95%, all figures in %;")
    print(f"coverages are known to {noise:.1f} points\n")
    print(table(compare_all()))


if __name__ == "__main__":
    main()
