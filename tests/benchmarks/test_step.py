"""The step alone at its smallest: what is measured, in which process, and how it is shown."""

import pytest
import torch

from benchmarks import step
from benchmarks.plain import PLAIN_MODELS


@pytest.mark.parametrize("side", step.SIDES)
def test_every_side_makes_its_step(side: str) -> None:
    make = step.step_of(side, "cnn3d", 2, 2)
    make()
    make()


def test_both_sides_and_a_stack_are_measured_in_turns() -> None:
    found = step.measured("timesformer1", 2, 2, 2)
    assert all(found[side] > 0 for side in step.SIDES)
    assert found["ratio"] == found["plain"] / found["ours"]
    assert 0 < found["ratios"][0] <= found["ratios"][1]
    assert found["agrees"]
    assert found["logits"] < 1e-5


def test_a_table_says_what_was_promised() -> None:
    row = {"model": "cnn3d", "hidden_units": 48, "batch": 16, "plain": 3.0, "ours": 2.0, "ratio": 1.5, "stack": 2.5}
    row |= {"ratios": [1.4, 1.6], "plain_bytes": 2e9, "ours_bytes": 1e9, "logits": 1e-6, "agrees": False}
    assert step.table([row]).splitlines()[-1] == (
        "| cnn3d | 48 | 16 | 3.00 | 2.00 | 1.50 | 1.40 to 1.60 | 1.3 | 2.50 | 2.00 | 1.00 | 1.0e-06 | no |"
    )


@pytest.mark.slow
def test_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--models", "timesformer1", "--hidden-units", "2", "--batch-size", "2", "--repeats", "1"]
    assert step.main(asked) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| timesformer1")]
    (cells,) = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    assert cells[1:3] == ["2", "2"]
    assert cells[7] == "2"
    assert cells[-1] == "yes"
    assert all(0.1 < float(cells[place]) < 4 for place in (9, 10)), "GB of a process"


def test_clips_are_the_same_for_all_sides() -> None:
    (one, labels), (same, again) = step.clips_of(3), step.clips_of(3)
    assert one.shape == (3, 20, 1, 64, 64)
    assert torch.equal(one, same)
    assert torch.equal(labels, again)
    assert set(PLAIN_MODELS) == {"convlstm", "cnn3d", "timesformer1", "timesformer8"}
