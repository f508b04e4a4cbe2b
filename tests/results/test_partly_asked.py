"""Models of which not all trials were asked about every evaluation set."""

import pandas as pd

from rac_ray.results.answers import Answers
from rac_ray.results.names import DomainWords
from rac_ray.results.partly_asked import fullest, in_one_row, unasked
from tests.results import synthetic

COUNTS = pd.DataFrame(
    {
        "model": ["a", "a", "b", "b"],
        "trials": [1, 3, 3, 3],
        "seeds": [1, 3, 3, 3],
        "sizes": 1,
        "never_learned": [1, 1, 2, 2],
    },
    index=[4, 5, 6, 7],
)


def test_of_each_model_the_row_of_the_most_trials_is_chosen() -> None:
    assert fullest(COUNTS).index.tolist() == [5, 6]
    assert fullest(COUNTS.assign(part=[0, 1, 0, 1]), ["model", "part"]).index.tolist() == [4, 5, 6, 7]
    assert fullest(COUNTS.iloc[:0]).empty


def test_counts_that_differ_are_told_from_the_least_to_the_most() -> None:
    told = in_one_row(COUNTS, ["model"])
    assert told["trials"].tolist() == ["1 to 3", "1 to 3", 3, 3]
    assert told["seeds"].tolist() == ["1 to 3", "1 to 3", 3, 3]
    assert told["sizes"].tolist() == [1, 1, 1, 1]
    assert told["never learned"].tolist() == ["1 of 3", "1 of 3", "2 of 3: at chance", "2 of 3: at chance"]
    assert in_one_row(COUNTS.iloc[:0], ["model"]).empty


def test_a_warning_names_who_was_not_asked_about_what() -> None:
    tables = synthetic.sweep(lambda *_: 0.6, models=("cnn3d", "convlstm"), sizes=(2,), seeds=(0, 1, 2), clips=20)
    domains = {"mnist": DomainWords("MNIST")}
    assert unasked(Answers.of(tables), "2dot", domains) == ""
    part = synthetic.unasked(tables, "mnist/test", "model == 'cnn3d' and seed > 0")
    part = synthetic.unasked(part, "2dot/test", "seed == 2")
    assert unasked(Answers.of(part), "2dot", domains) == (
        "; not all trials were asked about everything (2dot test: 3D CNN 2 of 3, ConvLSTM 2 of 3; MNIST: 3D CNN 1 of 3)"
    )
