"""What to type after results."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rac_ray.cli.next_steps import next_step
from rac_ray.sweep.program import Program
from sweeps.ts_grid import STUDY

PROGRAM = Program("ts_grid", ("rac-ray", "ts"))
HERE = ["--storage", "here"]
LAST = ["--max-epochs", "3,4"]


@pytest.mark.parametrize(
    ("preset", "asked", "counts", "said"),
    [
        ("demo", ["--preset", "demo"], {"failed": 1, "pending": 2}, "retry --preset demo  # tries again what"),
        ("demo", HERE, {"pending": 2}, "run --preset demo --storage here --max-epochs 3,4  # goes on from here"),
        ("paper", HERE, {"running": 2}, "run --storage here --max-epochs 3,4  # goes on from here"),
        ("demo", [*HERE, "--seeds", "1"], {}, "plan --preset laptop --storage here  # what a larger sweep costs"),
        ("paper", ["--preset=paper"], {}, "results --verdict --preset=paper  # what that means for each claim"),
    ],
)
def test_the_command_that_follows(preset: str, asked: list[str], counts: Mapping[str, int], said: str) -> None:
    found = cast(Any, SimpleNamespace(counts={"failed": 0, "pending": 0, "running": 0, **counts}))
    storage = "here" if asked[:2] == HERE else None
    assert next_step(STUDY, PROGRAM, preset, storage, asked, LAST, found).startswith(f"rac-ray ts {said}")
