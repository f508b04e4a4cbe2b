"""What Temporal Shape adds to the results of every study: the names of its classes, and what the paper draws of it. Its
claims are in ``claims``.
"""

from collections.abc import Mapping

from rac_ray.results.paper import Drawn
from rac_ray.studies.temporal_shape.claims import TARGETS
from rac_ray.studies.temporal_shape.trajectories import LABEL_NAMES

DRAWN: Mapping[str, Drawn] = {
    "2dot": Drawn(
        accuracy=TARGETS["2dot"],
        ratios=TARGETS["2dot"],
        left_out={"timesformer1": "near random validation accuracy for small sizes"},
    ),
    "mnist_bg": Drawn(accuracy=TARGETS["mnist_bg"], ratios=()),
}
"""Figures 3a, 3b and 4, by source; figure 4 has the one source."""


def shape_names(classes: int) -> list[str]:
    """The first ``classes`` temporal shapes: ``circle``, ``spiral`` and so on."""
    return list(LABEL_NAMES[:classes])
