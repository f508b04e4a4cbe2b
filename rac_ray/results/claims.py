"""What the paper says of its results, as data: a new claim is one entry in a tuple.

A claim is a quote and one or more contrasts, each of the form "this figure is higher than that one". It holds when all
of its contrasts do (``verdicts``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

CHANCE = 0.2
NEAR_CHANCE = CHANCE + 0.1
"""Top-1 below which a domain counts as "too challenging", a model as "near random": the paper gives no number."""
VERY_LOW = 0.5
"""Robustness ratio below which it counts as "very low", likewise."""
LARGE = (24, 32, 48)
"""Hidden units that count as "increased size"."""
TARGETS = {"2dot": ("5dot", "mnist", "mnist_bg"), "mnist_bg": ("mnist", "5dot", "2dot"), "original": ("s1", "s2")}
"""The domains whose mean robustness the paper speaks of, by source (sections 4.1 and 4.2; S1 and S2 hold the class
evidence)."""


@dataclass(frozen=True)
class Term:
    """One figure of each trial of a model: top-1 on an evaluation set, or its ratio to another one's."""

    model: str
    source: str
    target: str | None = None
    """Evaluation domain; None: the mean over the paper's target domains of the source."""
    split: str = "test"
    against: str | None = "source_val"
    """Role or target domain whose top-1 it is divided by; ``source_val`` makes it the robustness ratio. None: top-1."""
    sizes: tuple[int, ...] = ()
    """Hidden units that count; none named: all."""
    experiments: str = ""
    """Diving48: the experiments that count, as in ``abc``; each is a stratum, as hidden units are elsewhere."""

    def __str__(self) -> str:
        what = {None: "top-1", "source_val": "rr."}.get(self.against, f"top-1 over {self.against}'s")
        where = f"{self.target or 'all targets'}{' val' if self.split == 'val' else ''}"
        only = f" at h={','.join(map(str, self.sizes))}" if self.sizes else ""
        only += f" in {self.experiments}" if self.experiments else ""
        return f"{what} of {self.model} on {where}{only} (from {self.source})"


@dataclass(frozen=True)
class Contrast:
    """The first figure is higher than the second: on average, or in its slope per doubling of hidden units."""

    higher: Term | float
    lower: Term | float
    over: Literal["mean", "slope"] = "mean"

    def __str__(self) -> str:
        sign = "slope of " if self.over == "slope" else ""
        sides = (f"{sign}{side}" if isinstance(side, Term) else f"{side:g}" for side in (self.higher, self.lower))
        return " > ".join(sides)


@dataclass(frozen=True)
class Claim:
    """One statement of the paper."""

    claim_id: str
    quote: str
    where: str
    """Section, figure or table, and how the statement is read where that is not obvious."""
    contrasts: tuple[Contrast, ...]


def _all(highers: Iterable[Term | float], lowers: Iterable[Term | float]) -> tuple[Contrast, ...]:
    """Each of the first above each of the second."""
    seconds = list(lowers)
    return tuple(Contrast(higher, lower) for higher in highers for lower in seconds)


def _each(highers: Iterable[Term | float], lowers: Iterable[Term | float]) -> tuple[Contrast, ...]:
    """Each of the first above its counterpart in the second."""
    return tuple(Contrast(higher, lower) for higher, lower in zip(highers, lowers, strict=True))


def _top1(model: str, target: str, split: str = "test", sizes: tuple[int, ...] = ()) -> Term:
    return Term(model, "2dot", target, split, against=None, sizes=sizes)


def _ratio(model: str, target: str | None, source: str = "2dot") -> Term:
    return Term(model, source, target)


RECURRENT, CONVOLVING, ATTENDING = "convlstm", "cnn3d", ("timesformer8", "timesformer1")
NOT_CONVOLVING = (RECURRENT, *ATTENDING)
GROWING = (CONVOLVING, ATTENDING[0])
"""Figure 4 leaves TimeSf-1 out, for its near random validation accuracy at small sizes."""

TEMPORAL_SHAPE = (
    Claim(
        "ts-condensed",
        "TimeSf and ConvLSTM are more cross-domain robust than the 3D CNN in the absence of spatial texture bias",
        "section 4.1, condensed results; mean rr. over all targets, from 2Dot",
        _all((_ratio(model, None) for model in NOT_CONVOLVING), [_ratio(CONVOLVING, None)]),
    ),
    Claim(
        "ts-nearby",
        "the 3D CNN generally obtains higher results on the source validation set and the nearby 5Dot domain",
        "section 4.1, figure 3a",
        _all([_top1(CONVOLVING, "2dot", "val")], (_top1(model, "2dot", "val") for model in NOT_CONVOLVING))
        + _all([_top1(CONVOLVING, "5dot")], (_top1(model, "5dot") for model in NOT_CONVOLVING)),
    ),
    Claim(
        "ts-mnist-drop",
        "the ConvLSTM and TimeSf drop less compared to their original results when tested on MNIST",
        "section 4.1, figure 3a",
        _all((_ratio(model, "mnist") for model in NOT_CONVOLVING), [_ratio(CONVOLVING, "mnist")]),
    ),
    Claim(
        "ts-mnist-absolute",
        "ConvLSTM in fact outperforms the 3D CNN in absolute numbers on the MNIST domain",
        "section 4.1, figure 3a",
        _all([_top1(RECURRENT, "mnist")], [_top1(CONVOLVING, "mnist")]),
    ),
    Claim(
        "ts-background",
        "Generalization to the MNIST-bg domain proves too challenging for all three models",
        f"section 4.1, figure 3a; too challenging: top-1 below {NEAR_CHANCE:g}",
        _all([NEAR_CHANCE], (_top1(model, "mnist_bg") for model in (CONVOLVING, *NOT_CONVOLVING))),
    ),
    Claim(
        "ts-from-background",
        "In this experiment, TimeSf-8 and TimeSf-1 were the most robust",
        "section 4.1, figure 3b; mean rr. over all targets, from MNIST-bg",
        _all(
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
        "For the most challenging domain, MNIST-bg, the rr. becomes very low for all three models with increased size",
        f"section 4.1, figure 4c; falls with size, and is below {VERY_LOW:g} at h = 24 to 48",
        (
            *(Contrast(0.0, _ratio(model, "mnist_bg"), "slope") for model in (RECURRENT, *GROWING)),
            *(Contrast(VERY_LOW, Term(model, "2dot", "mnist_bg", sizes=LARGE)) for model in (RECURRENT, *GROWING)),
        ),
    ),
    Claim(
        "ts-small-attention",
        "TimeSf-1 is excluded here due to its near random validation accuracy for small model sizes",
        f"figure 4, caption; h = 2 and 4, near random: top-1 below {NEAR_CHANCE:g}",
        _all([NEAR_CHANCE], [_top1("timesformer1", "2dot", "val", sizes=(2, 4))]),
    ),
)

ATTENTION = "timesformer"
"""Diving48's TimeSf has eight heads in a-d and is one model there."""


def _diving(model: str, target: str | None, experiments: str, against: str | None = "source_val") -> Term:
    return Term(model, "original", target, against=against, experiments=experiments)


DIVING48 = (
    Claim(
        "diving-condensed",
        "ConvLSTM exhibits less texture bias and is more cross-domain robust than TimeSf and 3D CNN",
        "section 4.2, condensed results; T/V, T/S1 lower, and mean of S1/V and S2/V higher, experiments a-h",
        tuple(
            Contrast(_diving(other, "t", "abcdefgh", against), _diving(RECURRENT, "t", "abcdefgh", against))
            for against in ("source_val", "s1")
            for other in (CONVOLVING, ATTENTION)
        )
        + _all(
            [_diving(RECURRENT, None, "abcdefgh")],
            (_diving(other, None, "abcdefgh") for other in (CONVOLVING, ATTENTION)),
        ),
    ),
    Claim(
        "diving-texture",
        "ConvLSTM drops the most for T, both relative to the validation (T/V) and to the S1 (T/S1) accuracies",
        "section 4.2, table 1; experiments a-h",
        tuple(
            Contrast(_diving(other, "t", "abcdefgh", against), _diving(RECURRENT, "t", "abcdefgh", against))
            for against in ("source_val", "s1")
            for other in (CONVOLVING, ATTENTION)
        ),
    ),
    Claim(
        "diving-boxes",
        "ConvLSTM is also most robust to the S2 domain",
        "section 4.2, table 1; experiments a-h",
        _all(
            [_diving(RECURRENT, "s2", "abcdefgh")],
            [_diving(CONVOLVING, "s2", "abcdefgh"), _diving(ATTENTION, "s2", "abcdefgh")],
        ),
    ),
    Claim(
        "diving-silhouettes",
        "the 3D CNN is most robust to the S1 domain",
        "section 4.2, table 1; experiments a-h",
        _all(
            [_diving(CONVOLVING, "s1", "abcdefgh")],
            [_diving(RECURRENT, "s1", "abcdefgh"), _diving(ATTENTION, "s1", "abcdefgh")],
        ),
    ),
    Claim(
        "diving-layers-texture",
        "both TimeSf and the 3D CNN perform better on T than on S1 and S2, even if only the two latter contain class "
        "evidence",
        "section 4.2, figure 5 a-c, tables 2-4",
        tuple(
            Contrast(_diving(model, "t", experiment, None), _diving(model, shape, experiment, None))
            for experiment in "abc"
            for model in (ATTENTION, CONVOLVING)
            for shape in ("s1", "s2")
        ),
    ),
    Claim(
        "diving-layers-recurrent",
        "In contrast, ConvLSTM clearly drops for T",
        "section 4.2, figure 5 a-c, tables 2-4",
        tuple(
            Contrast(_diving(RECURRENT, shape, experiment, None), _diving(RECURRENT, "t", experiment, None))
            for experiment in "abc"
            for shape in ("s1", "s2")
        ),
    ),
    Claim(
        "diving-best-convolving",
        "the 3D CNN does not longer improve on the texture dataset relative to S1 and S2",
        "section 4.2, figure 5 d, table 5",
        _all((_diving(CONVOLVING, shape, "d", None) for shape in ("s1", "s2")), [_diving(CONVOLVING, "t", "d", None)]),
    ),
    Claim(
        "diving-best-recurrent",
        "the drop on T is markedly larger for ConvLSTM",
        "section 4.2, figure 5 d, table 5",
        _each(
            (_diving(CONVOLVING, "t", "d", against) for against in ("source_val", "s1")),
            (_diving(RECURRENT, "t", "d", against) for against in ("source_val", "s1")),
        ),
    ),
    Claim(
        "diving-equal-size",
        "Here, the 3D CNN is the most robust out of the three",
        "section 4.2, figure 6 e-h; S1/V and S2/V",
        tuple(
            Contrast(_diving(CONVOLVING, shape, "efgh"), _diving(other, shape, "efgh"))
            for shape in ("s1", "s2")
            for other in (RECURRENT, ATTENTION)
        ),
    ),
    Claim(
        "diving-equal-size-texture",
        "ConvLSTM approaches the 3D CNN and drops more steeply for T in g-h, where the performance is higher",
        "section 4.2, figure 6 g-h; T/V",
        _all([_diving(CONVOLVING, "t", "gh")], [_diving(RECURRENT, "t", "gh")]),
    ),
    Claim(
        "diving-equal-size-attention",
        "although least robust, TimeSf does not improve on T relative to S1 and S2 any more",
        "section 4.2, figure 6 e-h",
        tuple(
            Contrast(_diving(other, shape, "efgh"), _diving(ATTENTION, shape, "efgh"))
            for shape in ("s1", "s2")
            for other in (RECURRENT, CONVOLVING)
        )
        + _all(
            (_diving(ATTENTION, shape, "efgh", None) for shape in ("s1", "s2")), [_diving(ATTENTION, "t", "efgh", None)]
        ),
    ),
)

CLAIMS = (*TEMPORAL_SHAPE, *DIVING48)
