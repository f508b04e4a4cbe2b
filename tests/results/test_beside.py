"""Which recipe is set beside which, and the tables of a comparison."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rac_ray.errors import BadInput
from rac_ray.results.analysis import Analysis
from rac_ray.results.beside import Comparison, differing
from rac_ray.results.columns import DIFFERENCE
from rac_ray.results.tables import Tables
from tests.results.studies import SHAPES
from tests.results.synthetic import sweep


def tables(top1: float = 0.7, *, draw: int = 0, seeds: tuple[int, ...] = (1, 2, 3), **recipe: object) -> Tables:
    """Of one model and size, with a recipe in place of the usual one."""
    drawn = sweep(lambda *_: top1, models=("cnn3d",), sizes=(2,), seeds=seeds, clips=100, draw=draw)
    return replace(drawn, trials=drawn.trials.assign(**recipe))


def of_two_recipes() -> Analysis:
    """Batch 8 scores 0.8 and batch 16 scores 0.5."""
    parts = []
    for batch, top1, first in ((8, 0.8, 10), (16, 0.5, 20)):
        part = tables(top1, seeds=(first, first + 1, first + 2), batch_size=batch)
        parts.append({name: frame.assign(recipe=f"batch {batch}") for name, frame in vars(part).items()})
    joined = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    return Analysis(Tables(**joined), SHAPES)


def test_a_recipe_stands_beside_the_one_that_is_most_alike() -> None:
    here, there = Analysis(tables(batch_size=16), SHAPES), of_two_recipes()
    assert differing(here, there.by_recipe["batch 8"]) == ["batch_size"]
    pair = Comparison(here, there, "x").pairs[""]
    assert (pair.there.recipe, pair.differing) == ("batch 16", [])
    both = Comparison(there, here, "x").pairs
    assert {recipe: list(pair.differing) for recipe, pair in both.items()} == {
        "batch 8": ["batch_size"], "batch 16": [],
    }  # fmt: skip


def test_tables_say_what_is_compared() -> None:
    here, there = of_two_recipes(), Analysis(tables(batch_size=16, draw=3), SHAPES)
    means, claims = Comparison(here, there, "theirs.tar.zst").sheets
    assert means.name == "against"
    assert means.title.startswith("Beside theirs.tar.zst: mean here less mean there, over the sizes that both have")
    assert means.title.endswith("batch 8: recipes differ in batch_size; batch 16: recipes are the same")
    assert list(means.shown)[:4] == [DIFFERENCE, "source", "model", "measure"]
    by_recipe = {recipe: means.long.loc[means.long[DIFFERENCE] == recipe, "difference"] for recipe in here.by_recipe}
    assert np.mean(by_recipe["batch 8"]) == pytest.approx(0.1, abs=0.15)
    assert np.mean(by_recipe["batch 16"]) == pytest.approx(-0.2, abs=0.15)
    assert claims.title == "Claims: each verdict here, and there in theirs.tar.zst"
    assert len(claims.long) == 2 * len(SHAPES.claims)


def test_one_recipe_needs_no_column() -> None:
    here, there = (Analysis(tables(draw=draw), SHAPES) for draw in (0, 1))
    means, claims = Comparison(here, there, "x").sheets
    assert DIFFERENCE not in means.shown
    assert list(claims.shown) == ["claim_id", "here", "there", "differs"]


def test_the_tables_are_among_the_others() -> None:
    there = Analysis(tables(draw=1), SHAPES)
    here = Analysis(tables(), SHAPES, other=("x", there))
    assert [sheet.name for sheet in here.sheets][-2:] == ["against", "against-claims"]
    assert not any(sheet.name.startswith("against") for sheet in there.sheets)


def test_sweeps_without_anything_in_common_are_refused() -> None:
    other = sweep(lambda *_: 0.5, models=("convlstm",), sizes=(2,), seeds=(1,), clips=50)
    comparison = Comparison(Analysis(tables(), SHAPES), Analysis(other, SHAPES), "x")
    with pytest.raises(BadInput, match=r"^nothing here can be set beside 'x': no finished trial of the same source"):
        comparison.require_shared()
