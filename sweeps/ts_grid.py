"""Temporal Shape from a clone: the same as ``rac-ray ts``."""

from rac_ray.cli import sweep_main
from rac_ray.studies.temporal_shape.study import TemporalShape

STUDY = TemporalShape()

if __name__ == "__main__":
    sweep_main(STUDY)
