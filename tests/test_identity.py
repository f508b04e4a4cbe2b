import json
from dataclasses import replace

import pytest

from rac_ray.errors import BadInput
from rac_ray.identity import Evaluation, Recipe, Training, Trial, digest_of, seed_for, values_in

EXACT = Recipe(precision="32")
TRAINING = Training("cnn3d", 4, "2dot", 42, EXACT, "feed", about={"digits": "optdigits"})


def test_a_variant_of_a_trial_is_another_trial_of_the_same_training() -> None:
    training = Training("cnn3d", 4, "2dot", 42, Recipe(precision="32"), "data")
    plain, tuned = Trial(training), Trial(training, variant="tuned learning_rate x4")
    assert plain.trial_id == training.training_id == tuned.training.training_id
    assert tuned.trial_id != plain.trial_id
    assert tuned.name == "cnn3d h=4 2dot seed=42 tuned learning_rate x4"
    assert (tuned.as_dict()["variant"], "variant" in plain.as_dict()) == ("tuned learning_rate x4", False)


def test_the_id_is_pinned() -> None:
    assert TRAINING.training_id == "88e834d15c21"


def test_every_number_changing_field_changes_the_id() -> None:
    others = [
        replace(TRAINING, model="convlstm"),
        replace(TRAINING, hidden_units=6),
        replace(TRAINING, source="mnist_bg"),
        replace(TRAINING, seed=0),
        replace(TRAINING, data="beef"),
        replace(TRAINING, size="cnn3d-4x128"),
        replace(TRAINING, options={"kernels": (7, 7, 5, 3)}),
        *(replace(TRAINING, recipe=replace(EXACT, **{name: value})) for name, value in CHANGED.items()),
    ]
    assert len({TRAINING.training_id, *(other.training_id for other in others)}) == len(others) + 1
    assert replace(TRAINING, about={"digits": "mnist"}).training_id == TRAINING.training_id


CHANGED = {
    "learning_rate": 0.1, "momentum": 0.8, "weight_decay": 0.0, "batch_size": 16, "max_epochs": 3, "patience": 3,
    "stop_at": 0.9, "precision": "16-mixed", "optimiser": "adamw", "schedule": "cosine", "warm_up": 1.0,
    "label_smoothing": 0.1, "clip_norm": 1.0, "normalisation": "layer",
}  # fmt: skip


def test_all_of_a_recipe_was_changed() -> None:
    assert CHANGED.keys() == Recipe.__dataclass_fields__.keys()


def test_a_precision_that_is_not_resolved_has_no_id() -> None:
    assert Recipe().resolved("16-mixed") == Recipe(precision="16-mixed")
    assert Recipe(precision="bf16-mixed").resolved("32") == Recipe(precision="bf16-mixed")
    with pytest.raises(ValueError, match="resolved before it has an id"):
        replace(TRAINING, recipe=Recipe())


def test_a_training_survives_json() -> None:
    sized = replace(TRAINING, size="a size", options={"kernels": [7, 7], "depth": 1})
    for training in (TRAINING, sized):
        again = Training.from_dict(json.loads(json.dumps(training.as_dict())))
        assert again == training
        assert again.training_id == training.training_id


def test_names_are_for_people() -> None:
    assert TRAINING.name == "cnn3d h=4 2dot seed=42"
    sized = Trial(replace(TRAINING, size="cnn3d-4x128"), "c", 0.383)
    assert sized.name == "c cnn3d-4x128 2dot seed=42"


def test_a_trial_is_its_training_or_one_of_several() -> None:
    alone, low, high = Trial(TRAINING), Trial(TRAINING, "a", 0.3), Trial(TRAINING, "b", 0.35)
    assert alone.trial_id == TRAINING.training_id
    assert len({alone.trial_id, low.trial_id, high.trial_id, Trial(TRAINING, "e", 0.3).trial_id}) == 4
    assert "level" not in alone.as_dict()
    assert (low.as_dict()["experiment"], low.as_dict()["level"]) == ("a", 0.3)


def test_an_evaluation_is_of_a_checkpoint_and_of_content() -> None:
    evaluation = Evaluation("5dot", "test", "target", "cafe")
    assert evaluation.part == "5dot/test"
    ids = {
        evaluation.evaluation_id("one", 3),
        evaluation.evaluation_id("other", 3),
        evaluation.evaluation_id("one", 4),
        replace(evaluation, content="beef").evaluation_id("one", 3),
        replace(evaluation, target="mnist").evaluation_id("one", 3),
    }
    assert len(ids) == 5
    assert replace(evaluation, role="paired").evaluation_id("one", 3) == evaluation.evaluation_id("one", 3)


def test_variants_are_not_in_the_id_and_name_the_clips_that_are_shared() -> None:
    varied = replace(TRAINING, variants={"spec": "paper", "codec": "yes"})
    assert varied == TRAINING
    assert varied.training_id == TRAINING.training_id
    assert (TRAINING.grid_key, TRAINING.clips_key) == ("", "2dot")
    assert (varied.grid_key, varied.clips_key) == ("codec=yes spec=paper", "2dot codec=yes spec=paper")


def test_edited_clips_are_a_part_of_their_own() -> None:
    evaluation = Evaluation("s1", "test", "target", "cafe")
    edited = replace(evaluation, variant="codec=no")
    assert (evaluation.part, edited.part) == ("s1/test", "s1 codec=no/test")
    assert edited.evaluation_id("one", 3) != evaluation.evaluation_id("one", 3)


def test_values_are_words_of_a_variant() -> None:
    assert values_in("codec=no zoom=2; tuned") == {"codec": "no", "zoom": "2"}
    assert values_in("tuned") == values_in("") == {}


@pytest.mark.parametrize(
    ("role", "variant", "of_trial", "expected"),
    [
        ("target", "", "", True),
        ("target", "", "tuned", True),
        ("target", "", "codec=no", False),
        ("target", "codec=no", "", False),
        ("target", "codec=no", "codec=no", True),
        ("target", "codec=no", "codec=no; tuned learning_rate x4", True),
        ("target", "codec=no", "codec=no zoom=2", False),
        ("source_val", "", "codec=no", True),
        ("source_test", "", "codec=no", True),
        ("source_test", "codec=no", "", False),
    ],
)
def test_trials_have_what_is_edited_in_their_way(role: str, variant: str, of_trial: str, expected: bool) -> None:
    assert Evaluation("s1", "test", role, "cafe", variant).is_of(of_trial) is expected


def test_seeds_for_different_purposes_differ_and_stay() -> None:
    assert seed_for("weights", 0) == seed_for("weights", 0)
    assert len({seed_for("weights", 0), seed_for("weights", 1), seed_for("order", 0), seed_for("order")}) == 4
    assert 0 <= seed_for("weights", 42) < 2**63


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2]}, 3) == digest_of({"b": [2], "a": 1}, 3)
    assert len(digest_of(0)) == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "8"}, "unknown precision '8'; valid: auto, 32, 16-mixed, bf16-mixed"),
        ({"batch_size": 0}, "batch_size is 0; valid: 1 or more"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; valid: above 0"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0; valid: above 0"),
        ({"optimiser": "adam"}, "unknown optimiser 'adam'; did you mean adamw[?] valid: sgd, adamw"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; valid: constant, cosine"),
        ({"normalisation": "group"}, "unknown normalisation 'group'; valid: batch, layer"),
        ({"momentum": 1.0}, "momentum is 1.0; valid: from 0 to below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1; valid: from 0 to below 1"),
        ({"weight_decay": float("inf")}, "weight_decay is inf; valid: from 0 to below inf"),
        ({"stop_at": float("nan")}, "stop_at is nan; valid: from 0 to below inf"),
        ({"warm_up": None}, "warm_up is none; valid: a value, only stop_at and clip_norm may be none"),
        ({"learning_rate": None}, "learning_rate is none; valid: a value"),
        ({"max_epochs": 10**10}, "max_epochs is 10000000000; valid: at most 1000000000"),
    ],
)
def test_bad_recipes_are_named(settings: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Recipe(**settings)


def test_a_seed_is_what_tables_hold() -> None:
    assert Training("cnn3d", 4, "2dot", -(2**63) + 1, Recipe(precision="32"), "feed").seed < 0
    with pytest.raises(BadInput, match=f"^seed is {2**63}; valid: -9223372036854775807 to 9223372036854775807$"):
        Training("cnn3d", 4, "2dot", 2**63, Recipe(precision="32"), "feed")
