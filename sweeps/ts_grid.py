"""Temporal Shape: does the way a video model handles time decide how it stands domain shift?

Broomé et al., "Recur, Attend or Convolve? On Whether Temporal Modeling Matters for Cross-Domain Robustness in
Action Recognition", WACV 2023, sections 3.2 and 4.1.

    python sweeps/ts_grid.py --preset demo      12 trials on few clips, about 5 minutes on two cores
    python sweeps/ts_grid.py --preset laptop    a small real study, about two hours on two cores
    python sweeps/ts_grid.py --preset paper     the study: 10 h x 4 models x 5 seeds x 2 sources = 400 trials
"""

from rac_ray.cli import sweep_main
from rac_ray.studies.temporal_shape.study import TemporalShape

STUDY = TemporalShape(description=__doc__ or "")

if __name__ == "__main__":
    sweep_main(STUDY)
