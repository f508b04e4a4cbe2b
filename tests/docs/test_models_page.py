"""docs/models.md: every model is there, and every number of its tables is counted from the code."""

import re

import pytest

from rac_ray.models import MODELS, Builder
from rac_ray.results.looks import look_of
from rac_ray.studies.temporal_shape.grid import MODELS as PAPERS
from rac_ray.sweep.planner import parameters_of
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/models.md").read_text()
FURTHER = [name for name in MODELS if name not in PAPERS]


def table_below(heading: str) -> list[list[str]]:
    """Cells of the first table after a heading, its header first."""
    _, _, text = PAGE.partition(f"{heading}\n")
    (found,) = re.findall(r"\A.*?\n\n(\|.*?)(?:\n\n|\Z)", text, re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in found.splitlines()]
    return [rows[0], *rows[2:]]


def parameters(model: str, hidden_units: int) -> int:
    return parameters_of(Builder(model, hidden_units))


def test_every_model_has_its_row_with_its_name_in_figures() -> None:
    _, *rows = table_below("# Models")
    assert [(model, name) for model, name, *_ in rows] == [(f"`{name}`", look_of(name).label) for name in MODELS]


def test_parameters_are_those_of_the_code() -> None:
    (_, *sizes), *rows = table_below("## Trainable parameters")
    at = [int(size.removeprefix("h = ")) for size in sizes]
    assert at == [2, 8, 48]
    assert [model for model, *_ in rows] == [f"`{name}`" for name in MODELS]
    for model, *cells in rows:
        assert cells == [f"{parameters(model.strip('`'), hidden_units):,}" for hidden_units in at], model


def test_hidden_units_of_the_same_size_are_the_nearest() -> None:
    (_, *columns), *rows = table_below("## Hidden units of the same size")
    of_label = {look_of(name).label: name for name in PAPERS}
    wanted = [parameters(of_label[label], int(h)) for label, h in (column.split(" h = ") for column in columns)]
    assert [model for model, *_ in rows] == [f"`{name}`" for name in FURTHER]
    for model, *cells in rows:
        for cell, goal in zip(cells, wanted, strict=True):
            hidden_units = int(cell.split()[0])
            around = {h: parameters(model.strip("`"), h) for h in range(max(1, hidden_units - 1), hidden_units + 2)}
            assert cell == f"{hidden_units} ({around[hidden_units]:,})"
            assert min(around, key=lambda h: abs(around[h] - goal)) == hidden_units, (model, cell)


@pytest.mark.parametrize("hidden_units", [2, 4, 8, 24, 48])
def test_vivit_has_at_most_eight_in_a_hundred_more_than_timesf_8(hidden_units: int) -> None:
    assert 1 <= parameters("vivit", hidden_units) / parameters("timesformer8", hidden_units) < 1.08
