"""What the paper says of Temporal Shape (section 4.1), as data: a new claim is one entry in a tuple."""

from dataclasses import dataclass
from itertools import product

from rac_ray.results.claims import Claim, Contrast, Term, every
from rac_ray.results.paper import Printed


@dataclass(frozen=True)
class Limits:
    """What the paper's words are taken to mean where it gives no number. The defaults are ours."""

    near_chance: float = 0.3
    """Top-1 below which a domain counts as "too challenging", a model as "near random"; guessing is 0.2."""
    very_low: float = 0.5
    """Robustness ratio below which it counts as "very low"."""
    large: tuple[int, ...] = (24, 32, 48)
    """Hidden units that count as "increased size"."""
    small: tuple[int, ...] = (2, 4)
    """Hidden units that count as "small"."""


NEAR_CHANCE, VERY_LOW = (0.3, 0.25, 0.35), (0.5, 0.4, 0.6)
LARGE, SMALL = ((24, 32, 48), (16, 24, 32, 48), (32, 48)), ((2, 4), (2,), (2, 4, 6))
"""Limits that the words allow; ours come first."""
TARGETS = {"2dot": ("5dot", "mnist", "mnist_bg"), "mnist_bg": ("mnist", "5dot", "2dot")}
"""The domains whose mean robustness the paper speaks of, by source."""


def _top1(model: str, target: str, split: str = "test", sizes: tuple[int, ...] = ()) -> Term:
    return Term(model, "2dot", target, split, against=None, sizes=sizes)


def _ratio(model: str, target: str | None, source: str = "2dot") -> Term:
    return Term(model, source, target or TARGETS[source])


def _sizes(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))


RECURRENT, CONVOLVING, ATTENDING = "convlstm", "cnn3d", ("timesformer8", "timesformer1")
NOT_CONVOLVING = (RECURRENT, *ATTENDING)
GROWING = (CONVOLVING, ATTENDING[0])
"""Figure 4 leaves TimeSf-1 out, for its near random validation accuracy at small sizes."""


def claims_by(limits: Limits) -> tuple[Claim, ...]:
    """The claims of section 4.1 with these limits."""
    return (
        Claim(
            "ts-condensed",
            "TimeSf and ConvLSTM are more cross-domain robust than the 3D CNN in the absence of spatial texture bias",
            "section 4.1, condensed results; mean rr. over all targets, from 2Dot",
            every((_ratio(model, None) for model in NOT_CONVOLVING), [_ratio(CONVOLVING, None)]),
        ),
        Claim(
            "ts-nearby",
            "the 3D CNN generally obtains higher results on the source validation set and the nearby 5Dot domain",
            "section 4.1, figure 3a",
            every([_top1(CONVOLVING, "2dot", "val")], (_top1(model, "2dot", "val") for model in NOT_CONVOLVING))
            + every([_top1(CONVOLVING, "5dot")], (_top1(model, "5dot") for model in NOT_CONVOLVING)),
        ),
        Claim(
            "ts-mnist-drop",
            "the ConvLSTM and TimeSf drop less compared to their original results when tested on MNIST",
            "section 4.1, figure 3a",
            every((_ratio(model, "mnist") for model in NOT_CONVOLVING), [_ratio(CONVOLVING, "mnist")]),
        ),
        Claim(
            "ts-mnist-absolute",
            "ConvLSTM in fact outperforms the 3D CNN in absolute numbers on the MNIST domain",
            "section 4.1, figure 3a",
            every([_top1(RECURRENT, "mnist")], [_top1(CONVOLVING, "mnist")]),
        ),
        Claim(
            "ts-background",
            "Generalization to the MNIST-bg domain proves too challenging for all three models",
            f"section 4.1, figure 3a; too challenging: top-1 below {limits.near_chance:g}",
            every([limits.near_chance], (_top1(model, "mnist_bg") for model in (CONVOLVING, *NOT_CONVOLVING))),
        ),
        Claim(
            "ts-from-background",
            "In this experiment, TimeSf-8 and TimeSf-1 were the most robust",
            "section 4.1, figure 3b; mean rr. over all targets, from MNIST-bg",
            every(
                (_ratio(model, None, "mnist_bg") for model in ATTENDING),
                [_ratio(RECURRENT, None, "mnist_bg"), _ratio(CONVOLVING, None, "mnist_bg")],
            ),
        ),
        Claim(
            "ts-size-5dot-recurrent",
            "For 5Dot, the rr. for ConvLSTM decreases slightly with model size",
            "section 4.1, figure 4a",
            (Contrast(0.0, _ratio(RECURRENT, "5dot"), "slope"),),
        ),
        Claim(
            "ts-size-5dot-others",
            "the 3D CNN and TimeSf, in contrast, increase the rr. with increased model size",
            "section 4.1, figure 4a",
            tuple(Contrast(_ratio(model, "5dot"), 0.0, "slope") for model in GROWING),
        ),
        Claim(
            "ts-size-mnist",
            "For MNIST, [..] the upward trend for the 3D CNN is broken, and less pronounced for TimeSf",
            "section 4.1, figure 4b; smaller slopes than on 5Dot, and the 3D CNN's does not rise",
            (
                *(Contrast(_ratio(model, "5dot"), _ratio(model, "mnist"), "slope") for model in GROWING),
                Contrast(0.0, _ratio(CONVOLVING, "mnist"), "slope"),
            ),
        ),
        Claim(
            "ts-size-background",
            "For the most challenging domain, MNIST-bg, the rr. becomes very low for all three models with increased "
            "size",
            f"section 4.1, figure 4c; falls with size, and is below {limits.very_low:g} at h = {_sizes(limits.large)}",
            (
                *(Contrast(0.0, _ratio(model, "mnist_bg"), "slope") for model in (RECURRENT, *GROWING)),
                *(
                    Contrast(limits.very_low, Term(model, "2dot", "mnist_bg", sizes=limits.large))
                    for model in (RECURRENT, *GROWING)
                ),
            ),
        ),
        Claim(
            "ts-small-attention",
            "TimeSf-1 is excluded here due to its near random validation accuracy for small model sizes",
            f"figure 4, caption; h = {_sizes(limits.small)}, near random: top-1 below {limits.near_chance:g}",
            every([limits.near_chance], [_top1("timesformer1", "2dot", "val", sizes=limits.small)]),
        ),
    )


TEMPORAL_SHAPE = claims_by(Limits())
READINGS = [claims_by(Limits(*each)) for each in product(NEAR_CHANCE, VERY_LOW, LARGE, SMALL)]
"""The claims with every combination of limits, ours first."""
PRINTED = Printed(note="it prints no number of Temporal Shape: figures 3 and 4 are images")
