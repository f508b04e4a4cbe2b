"""Temporal Shape: does the way a video model handles time decide how it stands domain shift?

Broomé et al., "Recur, Attend or Convolve? On Whether Temporal Modeling Matters for Cross-Domain Robustness in
Action Recognition", WACV 2023, sections 3.2 and 4.1.

    python sweeps/ts_grid.py --preset demo      16 trials on few clips, about 4 minutes on two cores
    python sweeps/ts_grid.py --preset laptop    a small real study, about two hours on two cores
    python sweeps/ts_grid.py --preset paper     the study: 10 h x 4 models x 5 seeds x 2 sources = 400 trials
"""

from rac_ray.cli import sweep_main
from rac_ray.sweep.planner import Sweep
from rac_ray.trial import PAPER_HIDDEN_UNITS, PAPER_SEEDS, Grid, Recipe

MODELS = ("convlstm", "cnn3d", "timesformer1", "timesformer8")

PAPER = Grid(
    models=MODELS,
    hidden_units=PAPER_HIDDEN_UNITS,
    seeds=PAPER_SEEDS,
    sources=("2dot", "mnist_bg"),
    paired_clips=500,
)

QUICK = Recipe(learning_rate=0.005, batch_size=16, max_epochs=6, patience=3)

DEMO = Grid(
    models=MODELS,
    hidden_units=(2, 4),
    seeds=PAPER_SEEDS[:2],
    sources=("2dot",),
    train_clips=320,
    val_clips=160,
    test_clips=160,
    recipes=dict.fromkeys(MODELS, QUICK),
    digits="optdigits",
)

LAPTOP = Grid(
    models=MODELS,
    hidden_units=(2, 4, 8),
    seeds=PAPER_SEEDS[:2],
    sources=("2dot", "mnist_bg"),
    train_clips=800,
    val_clips=400,
    test_clips=400,
    recipes={
        "convlstm": Recipe(learning_rate=0.003, batch_size=16, max_epochs=15, patience=5),
        "cnn3d": Recipe(learning_rate=0.003, batch_size=16, max_epochs=15, patience=5),
        "timesformer1": Recipe(learning_rate=0.003, batch_size=16, max_epochs=40, patience=15),
        "timesformer8": Recipe(learning_rate=0.003, batch_size=16, max_epochs=40, patience=15),
    },
)

SWEEP = Sweep(
    name="ts_grid",
    presets={"demo": DEMO, "laptop": LAPTOP, "paper": PAPER},
    default_preset="paper",
    description=__doc__ or "",
)

if __name__ == "__main__":
    sweep_main(SWEEP)
