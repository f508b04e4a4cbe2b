"""What Temporal Shape adds to the results of every study: the names of its classes. Its claims are in ``claims``."""

from rac_ray.studies.temporal_shape.trajectories import LABEL_NAMES


def shape_names(classes: int) -> list[str]:
    """The first ``classes`` temporal shapes: ``circle``, ``spiral`` and so on."""
    return list(LABEL_NAMES[:classes])
