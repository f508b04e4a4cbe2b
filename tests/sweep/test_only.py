"""The ``--only`` grammar: what it selects, and one clear sentence for what it does not understand."""

import pytest

from rac_ray.errors import BadInput
from rac_ray.sweep.only import Only

ROWS = [
    {
        "model": model,
        "hidden_units": h,
        "source": "2dot",
        "seed": seed,
        "trial_id": f"{model[:2]}{h}{seed}",
        "state": s,
        "experiment": "a" if model == "cnn3d" else "",
        "size": f"{model}-{h}",
        "learning_rate": h / 1000,
        "optimiser": "adamw" if model == "timesformer1" else "sgd",
        "clip_norm": None if h == 2 else 1.0,
    }
    for model, h, seed, s in [
        ("convlstm", 2, 0, "done"),
        ("convlstm", 8, 42, "failed"),
        ("cnn3d", 4, 42, "pending"),
        ("cnn3d", 12, 0, "done"),
        ("timesformer1", 8, 7, "running"),
    ]
]


def chosen(text: str) -> list[str]:
    only = Only.parse(text)
    return [row["trial_id"] for row in ROWS if only.holds(row)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("model=convlstm", ["co20", "co842"]),
        ("model=convlstm,hidden_units<=4", ["co20"]),
        ("model=convlstm|cnn3d , hidden_units >= 4", ["co842", "cn442", "cn120"]),
        ("model!=convlstm|cnn3d", ["ti87"]),
        ("learning_rate>0.004,optimiser=sgd", ["co842", "cn120"]),
        ("clip_norm<=1,h<8", ["cn442"]),
        ("clip_norm=none", ["co20"]),
        ("h<4", ["co20"]),
        ("h>8", ["cn120"]),
        ("seed=0", ["co20", "cn120"]),
        ("seed=0|7", ["co20", "cn120", "ti87"]),
        ("state=failed", ["co842"]),
        ("state!=done", ["co842", "cn442", "ti87"]),
        ("trial_id=co", ["co20", "co842"]),
        ("trial_id!=co|cn", ["ti87"]),
        ("source=2dot,model=cnn3d,seed!=42", ["cn120"]),
        ("experiment=a", ["cn442", "cn120"]),
        ("size=cnn3d-4|convlstm-2", ["co20", "cn442"]),
    ],
)
def test_what_a_filter_selects(text: str, ids: list[str]) -> None:
    assert chosen(text) == ids


def test_seeds_have_more_digits_than_a_float() -> None:
    large = 2**53 + 1
    assert Only.parse(f"seed={large}").holds({"seed": large})
    assert not Only.parse(f"seed={large}").holds({"seed": large - 1})


def test_variants_of_the_study_are_fields() -> None:
    only = Only.parse("spec=paper|own,codec!=no", ("spec", "codec"))
    rows = [{"spec": spec, "codec": codec} for spec in ("released", "paper", "own") for codec in ("yes", "no")]
    assert [row for row in rows if only.holds(row)] == [{"spec": each, "codec": "yes"} for each in ("paper", "own")]


def test_only_a_filter_on_the_state_needs_the_ledger() -> None:
    assert Only.parse("state=failed,h=2").needs_state
    assert not Only.parse("h=2").needs_state
    assert all(Only().holds(row) for row in ROWS)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "--only has ''; valid: field, one of = != < <= > >=, value, as in hidden_units<=8"),
        ("model", "--only has 'model'; valid: "),
        ("model=", "--only has 'model='; valid: "),
        ("model==cnn3d", "--only has 'model==cnn3d'; valid: "),
        ("model=cnn3d,", "--only has ''; valid: "),
        (
            "colour=red",
            "unknown field in --only 'colour'; valid: model, source, trial_id, state, experiment, size, variant, "
            "precision, optimiser, schedule, normalisation, hidden_units, seed, learning_rate, momentum, weight_decay, "
            "batch_size, max_epochs, patience, stop_at, warm_up, label_smoothing, clip_norm",
        ),
        ("model<cnn3d", "--only compares model with '<'; valid: = and !="),
        ("seed=x", "--only compares seed with 'x', which is not a number"),
        ("h<none", "--only compares hidden_units < none; valid: a number, or none with = and !="),
        ("h<=4|8", "--only compares hidden_units <= with several values '4|8'; valid: one"),
    ],
)
def test_what_is_not_understood_is_named(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as error:
        Only.parse(text)
    assert str(error.value).startswith(sentence)


PLANNED = [
    {"model": model, "seed": seed, "state": "pending", "trial_id": f"{place}abc"}
    for place, (model, seed) in enumerate([("cnn3d", 42), ("convlstm", 7)])
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model=cnn3d|)", "model ')', which no planned trial has; they have cnn3d, convlstm"),
        ("model!=cnn3d|cnn", "model 'cnn', which no planned trial has; they have cnn3d, convlstm"),
        ("seed=42|43", "seed 43, which no planned trial has; they have 42, 7"),
        ("trial_id=0a|2a", "trial_id '2a', which no planned trial has; they have 0abc, 1abc"),
    ],
)
def test_a_value_that_no_trial_has_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        Only.parse(text).require_known(PLANNED)
    assert str(error.value) == f"--only names {said}"


@pytest.mark.parametrize(
    "text", ["model=cnn3d|convlstm", "seed=42", "state=failed|pending", "trial_id=0|1abc", "seed<50"]
)
def test_values_that_trials_may_have_are_fine(text: str) -> None:
    Only.parse(text).require_known(PLANNED)
