"""What Temporal Shape adds to the results of every study: its question, names of domains and classes, what the paper
draws of it. Its claims are in ``claims``.
"""

from collections.abc import Mapping

from rac_ray.results.names import Domains, DomainWords
from rac_ray.results.paper import Drawn
from rac_ray.studies.temporal_shape.claims import TARGETS
from rac_ray.studies.temporal_shape.domains import FURTHER
from rac_ray.studies.temporal_shape.factors import FACTORS
from rac_ray.studies.temporal_shape.trajectories import ALL_LABEL_NAMES

QUESTION = (
    "Does a video model that learned motions (circle, spiral, line, rectangle, arc and so on) on one kind of clip "
    "still recognise them when only the looks change?"
)
OWN: Domains = {
    "2dot": DomainWords("2Dot", "a small white square on black"),
    "5dot": DomainWords("5Dot", "a larger white square on black"),
    "mnist": DomainWords("MNIST", "a handwritten digit on black"),
    "mnist_bg": DomainWords("MNIST-bg", "a digit on strong, flickering noise"),
    "mnist_bg_half": DomainWords("MNIST-bg half", "a digit on noise half as strong"),
}
"""Of the study's domains."""
NAMED: Domains = {
    **OWN,
    **{
        name: DomainWords(f"{OWN[further.base].label} {further.factor}", FACTORS[further.factor].looks)
        for name, further in FURTHER.items()
    },
}
"""Names of domains, the paper's where it has one, and what moves in their clips."""

DRAWN: Mapping[str, Drawn] = {
    "2dot": Drawn(
        accuracy=TARGETS["2dot"],
        ratios=TARGETS["2dot"],
        left_out={"timesformer1": "near random validation accuracy for small sizes"},
        called={"figure3": "Figure 3a", "figure4": "Figure 4"},
    ),
    "mnist_bg": Drawn(accuracy=TARGETS["mnist_bg"], ratios=(), called={"figure3": "Figure 3b"}),
}
"""Figures 3a, 3b and 4, by source; figure 4 has the one source."""


def shape_names(classes: int) -> list[str]:
    """The first ``classes`` temporal shapes: ``circle``, ``spiral`` and so on."""
    return list(ALL_LABEL_NAMES[:classes])
