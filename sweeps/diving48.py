"""Diving48: is what a video model has learned shape, or texture?

Broomé et al., "Recur, Attend or Convolve? On Whether Temporal Modeling Matters for Cross-Domain Robustness in
Action Recognition", WACV 2023, sections 3.3 and 4.2: experiments a to h.

    python sweeps/diving48.py --preset demo       drawn figures instead of divers, and small models
    python sweeps/diving48.py --preset paper --masks data/masks          the study, on eight GPUs, three seeds
    python sweeps/diving48.py --seeds 42 --masks data/masks              the one seed that it had itself
    python sweeps/diving48.py --experiment c --masks data/masks          one of its experiments
"""

from rac_ray.cli import sweep_main
from rac_ray.studies.diving48.study import Diving48

STUDY = Diving48(description=__doc__ or "")

if __name__ == "__main__":
    sweep_main(STUDY)
