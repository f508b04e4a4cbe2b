"""What the help says of presets is what docs/sweeps.md says of them, and what they have."""

import re
from math import prod

import pytest

from rac_ray.studies.temporal_shape.grid import PRESETS
from rac_ray.studies.temporal_shape.study import DESCRIPTION
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/sweeps.md").read_text()
SAID = dict(re.findall(r"--preset (\w+) +(.*)", DESCRIPTION))


@pytest.mark.parametrize("preset", SAID)
def test_presets_have_as_many_trials_as_are_said(preset: str) -> None:
    grid = PRESETS[preset]
    trials = prod(map(len, (grid.models, grid.hidden_units, grid.seeds, grid.sources)))
    (said,) = re.findall(r"(\d+) trials", SAID[preset])
    (documented,) = re.findall(rf"^\| `{preset}` \| (\d+) \|", PAGE, re.MULTILINE)
    assert (int(said), int(documented)) == (trials, trials)


def test_laptop_takes_as_long_as_is_said() -> None:
    """In whole hours, as it was measured."""
    (hours,) = re.findall(r"it took (\S+) hours", PAGE)
    assert SAID["laptop"].endswith(f"about {float(hours):.0f} hours on two cores")
