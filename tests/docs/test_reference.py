"""What goes into the package's study, and how the pages about it are kept to it."""

from pathlib import Path

import pytest

from docs.reference import by_size, planned, whole_slices, with_count, with_tables
from rac_ray.training.task import Task

PAGE = """First words.

| model | A |
| --- | --- |
| cnn3d | 1 |

| model | B |
| --- | --- |
| cnn3d | 2 |
"""


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return planned()


def test_slices_go_in_of_which_every_trial_is_done(tasks: list[Task]) -> None:
    assert len(tasks) == 72
    large = {each.training_id for each in tasks if each.training.hidden_units == 12}
    small = [each for each in tasks if each.training.hidden_units == 4]
    done = {each.training_id for each in small} | large - {min(large)}
    (missing,) = [each.training for each in tasks if each.training_id == min(large)]
    expected = {
        each.training_id
        for each in tasks
        if each.training_id in done and (each.training.hidden_units == 4 or each.training.source != missing.source)
    }
    assert len(expected) == 24 + 12
    assert set(whole_slices(tasks, done)) == expected
    assert whole_slices(tasks, []) == []


def test_a_table_takes_the_place_of_the_one_with_its_columns() -> None:
    changed = with_tables(PAGE, ["| model | B |\n| --- | --- |\n| cnn3d | 3 |\n| convlstm | 4 |"])
    assert changed == PAGE.replace("| cnn3d | 2 |\n", "| cnn3d | 3 |\n| convlstm | 4 |\n")
    for other in ("| model | C |\n| --- | --- |\n", PAGE):
        with pytest.raises(ValueError, match=r"tables begin with .*; valid: one"):
            with_tables(PAGE + PAGE, [other])


def test_a_row_has_what_a_model_knows_with_each_size(tmp_path: Path) -> None:
    rows = ["5dot,val,.9,4", "5dot,test,.484666,4", "mnist,test,.25,4", "5dot,test,.9,8", "mnist,test,.316,8"]
    lines = "".join(f"cnn3d,{row}\n" for row in rows)
    (tmp_path / "table.csv").write_text(f"# stamp\nmodel,target,split,mean,hidden_units\n{lines}")
    said = "| test clips of | 5Dot | MNIST |\n| --- | --- | --- |\n| 3D CNN | 48, 90 | 25, 32 |\n"
    assert by_size(tmp_path / "table.csv") == said


def test_counts_of_trials_are_kept_true_across_lines() -> None:
    page = "24 of 72 trials, 24 of\n72 trials, 24 of 48 trials, 5 of 24"
    assert with_count(page, 36, 72) == "36 of 72 trials, 36 of\n72 trials, 24 of 48 trials, 5 of 24"
