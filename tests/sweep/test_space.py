"""Spaces of recipes: from text, to draws, and what is none of it."""

from itertools import islice

import pytest

from rac_ray.errors import BadInput
from rac_ray.sweep.options import words
from rac_ray.sweep.space import BUDGET, SEARCH_OPTIONS, TUNABLE, Choice, Range, space_of, texts_of, trials_of_search

SPACE = ["learning_rate=log(1e-4,1e-1)", "batch-size=16|32", "clip_norm=none|1"]


def test_texts_are_ranges_and_choices() -> None:
    space = space_of(SPACE)
    assert space.fields == {
        "learning_rate": Range("log", 1e-4, 0.1),
        "batch_size": Choice((16, 32)),
        "clip_norm": Choice((None, 1.0)),
    }
    assert space.texts == ["batch_size=16|32", "clip_norm=none|1", "learning_rate=log(0.0001,0.1)"]
    assert space_of(space.texts) == space


def test_draws_are_the_same_for_a_seed_and_lie_in_the_space() -> None:
    space = space_of([*SPACE, "label_smoothing=uniform(0,0.2)"])
    points = list(islice(space.draws("a"), 200))
    assert points[:5] == list(islice(space.draws("a"), 5))
    assert points[:5] != list(islice(space.draws("b"), 5))
    rates = sorted(point["learning_rate"] for point in points)
    assert 1e-4 <= rates[0] < 3e-4
    assert 0.03 < rates[-1] <= 0.1
    assert 0.001 < rates[100] < 0.01, "even in the logarithm: the middle is near its middle"
    assert {point["batch_size"] for point in points} == {16, 32}
    assert {point["clip_norm"] for point in points} == {None, 1.0}
    assert all(type(point["batch_size"]) is int for point in points)
    smoothing = sorted(point["label_smoothing"] for point in points)
    assert 0.08 < smoothing[100] < 0.12
    assert all(float(f"{rate:.3g}") == rate for rate in rates), "short numbers, for names"


def test_choices_are_taken_to_the_last_digit_and_draws_stay_within_their_bounds() -> None:
    fine = space_of(["learning_rate=0.001234|0.0012349", "momentum=0.9|0.9995"])
    points = list(islice(fine.draws(1), 60))
    assert {point["learning_rate"] for point in points} == {0.001234, 0.0012349}
    assert {point["momentum"] for point in points} == {0.9, 0.9995}
    assert fine.texts == ["learning_rate=0.001234|0.0012349", "momentum=0.9|0.9995"]
    near = space_of(["momentum=uniform(0.99,0.9999)"])
    drawn = [point["momentum"] for point in islice(near.draws(1), 300)]
    assert max(drawn) == 0.9999, "0.99985 and more would be 1 in three digits"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nix", "--tune has 'nix'; valid: field=log(low,high), field=uniform(low,high) or field=a|b"),
        ("learning_rate=", "--tune has 'learning_rate='; valid: field=log(low,high)"),
        ("colour=1|2", "unknown field in --tune 'colour'; valid: optimiser, learning_rate, schedule"),
        ("max_epochs=1|2", "unknown field in --tune 'max_epochs'; valid: optimiser"),
        (
            "learning_rate=log(1e-1,1e-4)",
            "--tune has learning_rate=log(1e-1,1e-4); valid: a low end below the high end",
        ),
        ("learning_rate=log(0,1)", "--tune has learning_rate=log(0,1); valid: a low end above 0"),
        ("learning_rate=log(1e-4,x)", "--tune has a bound 'x' of learning_rate, which is not a number"),
        ("learning_rate=log(1e-4)", "--tune has learning_rate=log(1e-4); valid: log(low,high), uniform(low,high)"),
        ("learning_rate=lin(1,2)", "unknown scale of learning_rate in --tune 'lin'; valid: log, uniform"),
        ("learning_rate=fast|slow", "learning rate 'fast' is not a number"),
        ("batch_size=log(8,64)", "--tune draws batch_size from log(8,64); valid: choices, as in batch_size=16|32"),
        ("optimiser=log(1,2)", "--tune draws optimiser from log(1,2); valid: choices"),
        (
            "optimiser=adam|sgd",
            "--tune has optimiser=adam|sgd: unknown optimiser 'adam'; did you mean adamw? valid: sgd, adamw",
        ),
        (
            "label_smoothing=uniform(0,2)",
            "--tune has label_smoothing=uniform(0,2): label_smoothing is 2.0; valid: from",
        ),
    ],
)
def test_what_is_none_is_named_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        space_of([text])
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_field_is_named_once() -> None:
    with pytest.raises(BadInput, match="--tune names momentum twice"):
        space_of(["momentum=0|0.5", "momentum=0.9|0.95"])


def test_budgets_cannot_be_tuned() -> None:
    """Equal budgets are what makes a search fair."""
    assert not set(BUDGET) & set(TUNABLE)


def test_options_are_lists_of_texts_and_a_number() -> None:
    tune, trials = SEARCH_OPTIONS
    assert (tune.name, tune.repeated, trials.name, trials.repeated) == ("tune", True, "tune_trials", False)
    assert texts_of("a=1|2; b=log(1,2);") == ["a=1|2", "b=log(1,2)"]
    assert words("a,b") != texts_of("a,b") == ["a,b"], "a comma is part of a range"
    assert trials_of_search("2") == 2
    for text, message in {
        "1": "--tune-trials is 1; valid: 2 or more",
        "x": "--tune-trials 'x' is not an integer",
    }.items():
        with pytest.raises(BadInput, match=message):
            trials_of_search(text)
