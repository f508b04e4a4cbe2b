"""Diving48: is what a video model has learned shape, or texture?

Broomé et al., "Recur, Attend or Convolve? On Whether Temporal Modeling Matters for Cross-Domain Robustness in
Action Recognition", WACV 2023, sections 3.3 and 4.2: experiments a to h.

    python sweeps/diving48.py --preset demo       drawn figures instead of divers, small models, the whole chain
    python sweeps/diving48.py --preset paper --gpu --masks data/masks          the study, on eight GPUs
    python sweeps/diving48.py --experiment c --gpu --masks data/masks          one of its experiments
"""

from rac_ray.dives_verbs import Preset, dives_main
from rac_ray.models.diving48 import Experiment, Size
from rac_ray.sweep.dives_plan import DivingGrid
from rac_ray.trial import Recipe

SMALL = {
    "convlstm-small": Size("convlstm", 4, {"kernels": (5, 3, 3), "stride": 2, "steps": "all"}),
    "cnn3d-small": Size("cnn3d", 4, {"kernels": (3, 3, 3, 3)}),
    "timesformer-small": Size("timesformer8", 4, {"depth": 1}),
}
CONVOLUTIONAL = {"convlstm": "convlstm-small", "cnn3d": "cnn3d-small"}

DEMO = DivingGrid(
    # Of the four motions a TimeSformer learns none in so few steps: guessing is what all three have in common.
    experiments={
        "a": Experiment(0.25, {**CONVOLUTIONAL, "timesformer": "timesformer-small"}),
        "b": Experiment(0.95, CONVOLUTIONAL),
    },
    sizes=SMALL,
    recipe=Recipe(learning_rate=0.0005, batch_size=8, max_epochs=3, patience=3),
    validation="grouped",
)

PRESETS = {"demo": Preset(DEMO, synthetic=(176, 48), workers=1), "paper": Preset(DivingGrid())}

if __name__ == "__main__":
    dives_main(__doc__ or "", PRESETS)
