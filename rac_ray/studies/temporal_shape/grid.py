"""Temporal Shape's grids: what of the study is run, on how much data. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rac_ray.identity import Recipe
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec
from rac_ray.studies.temporal_shape.symbols import Symbols

PAPER_SEEDS = (42, 61, 47, 53, 57)
PAPER_HIDDEN_UNITS = (2, 4, 6, 8, 10, 12, 16, 24, 32, 48)
MODELS = ("convlstm", "cnn3d", "timesformer1", "timesformer8")
FURTHER_MODELS = ("cnn2plus1d", "convgru", "convlru", "vivit", "bag")
"""Those of rac_ray that no preset has."""

PAPER_RECIPES: Mapping[str, Recipe] = {
    "convlstm": Recipe(max_epochs=100, patience=10),
    "cnn3d": Recipe(max_epochs=100, patience=10),
    "timesformer1": Recipe(max_epochs=300, patience=100),
    "timesformer8": Recipe(max_epochs=300, patience=100),
    "vivit": Recipe(max_epochs=300, patience=100),
}
"""The study's budgets; a model that is not named here trains by Recipe's defaults, which are those of ConvLSTM."""


@dataclass(frozen=True)
class Grid:
    """A Cartesian grid of trials and how much data they see; the defaults are the study's."""

    models: tuple[str, ...] = MODELS
    hidden_units: tuple[int, ...] = PAPER_HIDDEN_UNITS
    seeds: tuple[int, ...] = PAPER_SEEDS
    sources: tuple[str, ...] = ("2dot", "mnist_bg")
    train_clips: int = 4000
    val_clips: int = 1000
    test_clips: int = 500
    recipes: Mapping[str, Recipe] = field(default_factory=lambda: PAPER_RECIPES)
    otherwise: Recipe = field(default_factory=Recipe)
    """Of a model that ``recipes`` does not name, as one of a user's script."""
    symbols: tuple[Symbols, ...] = ()
    """What further target domains show: each has test clips, and no part in any training."""
    factors: tuple[str, ...] = ()
    """What further target domains change of the domain that is trained on, of FACTORS."""
    paired_clips: int = 0
    """Counterfactual clips per domain to evaluate on as well, each the same but for its looks in all domains."""
    spec: TemporalShapeSpec = field(default_factory=TemporalShapeSpec)
    endless: bool = False
    """Whether each epoch has ``train_clips`` new training clips in place of the same ones."""

    def recipe(self, model: str) -> Recipe:
        return self.recipes.get(model, self.otherwise)


PAPER = Grid(paired_clips=500)
ONLINE = replace(PAPER, endless=True)

ADAPTIVE = Recipe(optimiser="adamw", batch_size=8, clip_norm=1.0, warm_up=0.5, patience=100)
"""What teaches all four models something within minutes; SGD leaves the transformers guessing for hours."""
AT_ONCE = replace(ADAPTIVE, learning_rate=0.005, schedule="cosine", warm_up=0.1)

DEMO = Grid(
    hidden_units=(4,),
    seeds=PAPER_SEEDS[:3],
    sources=("2dot",),
    train_clips=1700,
    val_clips=400,
    test_clips=160,
    recipes={
        "convlstm": replace(AT_ONCE, max_epochs=1),
        "cnn3d": replace(AT_ONCE, batch_size=16, max_epochs=2),
        "timesformer1": replace(ADAPTIVE, learning_rate=0.003, max_epochs=9),
        "timesformer8": replace(ADAPTIVE, learning_rate=0.001, max_epochs=5),
        "cnn2plus1d": replace(AT_ONCE, batch_size=16, max_epochs=1),
        "convgru": replace(AT_ONCE, max_epochs=1),
        "convlru": replace(AT_ONCE, max_epochs=1),
        "vivit": replace(ADAPTIVE, learning_rate=0.001, max_epochs=4),
        "bag": replace(AT_ONCE, batch_size=16, max_epochs=2),
    },
    otherwise=replace(ADAPTIVE, learning_rate=0.002, max_epochs=4),
)

# Rates are near those that searches chose at h 4 and 8 on 2dot (benchmarks/RESULTS.md).
LAPTOP = Grid(
    hidden_units=(4, 8, 12),
    seeds=PAPER_SEEDS[:3],
    test_clips=500,
    val_clips=500,
    recipes={
        "convlstm": replace(ADAPTIVE, learning_rate=0.0015, max_epochs=5),
        "cnn3d": replace(ADAPTIVE, learning_rate=0.002, max_epochs=20, patience=8),
        "timesformer1": replace(ADAPTIVE, learning_rate=0.003, max_epochs=50, patience=15),
        "timesformer8": replace(ADAPTIVE, learning_rate=0.0005, max_epochs=15, patience=8),
        # As those that they stand in place of, without a search.
        "cnn2plus1d": replace(ADAPTIVE, learning_rate=0.002, max_epochs=20, patience=8),
        "convgru": replace(ADAPTIVE, learning_rate=0.0015, max_epochs=5),
        "convlru": replace(ADAPTIVE, learning_rate=0.0015, max_epochs=5),
        "vivit": replace(ADAPTIVE, learning_rate=0.0005, max_epochs=15, patience=8),
        "bag": replace(ADAPTIVE, learning_rate=0.002, max_epochs=20, patience=8),
    },
    otherwise=replace(ADAPTIVE, learning_rate=0.001, max_epochs=20, patience=8),
)

PRESETS = {"demo": DEMO, "laptop": LAPTOP, "online": ONLINE, "paper": PAPER}
