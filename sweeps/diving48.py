"""Diving48's study from a clone: the same as ``rac-ray diving48``."""

from rac_ray.cli import sweep_main
from rac_ray.studies.diving48.study import Diving48

STUDY = Diving48()

if __name__ == "__main__":
    sweep_main(STUDY)
