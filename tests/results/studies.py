"""The results half of studies, without models or data: what tests show made-up records with."""

from rac_ray.studies.other import OtherStudy
from rac_ray.studies.temporal_shape.claims import READINGS, TEMPORAL_SHAPE
from rac_ray.studies.temporal_shape.results import shape_names


class Shapes(OtherStudy):
    """Temporal Shape's claims and names of classes."""

    claims = TEMPORAL_SHAPE
    readings = READINGS

    def class_names(self, classes: int) -> list[str]:
        return shape_names(classes)


SHAPES = Shapes("shapes")
