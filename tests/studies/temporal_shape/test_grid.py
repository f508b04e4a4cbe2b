"""Grids of Temporal Shape: the models that they name, and by which recipe another one trains."""

from rac_ray.identity import Recipe
from rac_ray.models import MODELS as ALL_MODELS
from rac_ray.studies.temporal_shape.grid import FURTHER_MODELS, MODELS, PRESETS


def test_every_model_of_the_package_is_named() -> None:
    assert (*MODELS, *FURTHER_MODELS) == tuple(ALL_MODELS)


def test_a_model_that_no_preset_knows_learns_as_fast_as_the_others_of_a_short_preset() -> None:
    for name in ("demo", "laptop"):
        grid = PRESETS[name]
        recipe = grid.recipe("mine")
        assert set(grid.recipes) == set(ALL_MODELS)
        assert recipe.optimiser == "adamw"
        assert recipe.max_epochs <= max(each.max_epochs for each in grid.recipes.values())
    assert PRESETS["paper"].recipe("mine") == PRESETS["online"].recipe("mine") == Recipe()
