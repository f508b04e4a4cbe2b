"""Names of the columns of results. Plain data."""

from dataclasses import fields

from rac_ray.identity import Recipe

KEY = ["model", "hidden_units", "source", "seed"]
STUDY = "study"
"""Column of trials and evaluations: name of the study that a record is of."""
SIZE_NAME = "size"
"""Column of trials and evaluations: the model's size by name; empty where hidden units say all of it."""
EXPERIMENT = "experiment"
"""Column of trials and evaluations: which of its study's experiments a trial belongs to; empty where there are none."""
VARIANT = "variant"
"""Column of trials and evaluations: what makes a trial another one of the same training; mostly empty."""
DIFFERENCE = "recipe"
"""Column of trials and evaluations: what tells trials of one model and source apart, in words (``recipes``)."""
CELL = ("model", "source", EXPERIMENT)
"""Columns of trials that share a recipe, unless a folder has several of them."""
TOP5 = "top5"
"""Column of evaluations that have one."""
RECIPE_COLUMNS = [each.name for each in fields(Recipe)]
OUTCOME = [
    "parameters", "best_epoch", "best_val_top1", "epochs", "selection_rule", "schema", "precision_used", "way",
    "device", "workers", "stacked", "host", "python", "commit", "versions", "finished_at",
]  # fmt: skip
TRIAL_COLUMNS = [
    "trial_id", "training_id", STUDY, *KEY, SIZE_NAME, EXPERIMENT, VARIANT, DIFFERENCE, "level", "options", "classes",
    "state", "reason", "about", "data", "training_version", *OUTCOME, "learned", "source_test_top1",
    "seconds_to_first_step", "seconds_training", "seconds_evaluation", "seconds_total", *RECIPE_COLUMNS,
]  # fmt: skip
EVALUATION_COLUMNS = [
    "trial_id", STUDY, *KEY, SIZE_NAME, EXPERIMENT, VARIANT, DIFFERENCE, "target", "split", "role", "clips", "correct",
    "top1", "robustness_ratio", "chance_corrected_ratio", "ratio_to_source_test", "about", "data", "selection_rule",
    "schema",
]  # fmt: skip
FAILURE_COLUMNS = ["trial_id", "attempt", "class", "reason", "given_up", "host", "traceback", "log_tail"]
CANDIDATE_COLUMNS = [
    "trial_id", "search_id", "source", "model", SIZE_NAME, "hidden_units", "number", "recipe", "state", "epochs",
    "best_val_top1", "chosen", "reason",
]  # fmt: skip
P_VALUES = ("p_for", "p_against", "p_for_paper", "p_against_paper")
"""p of a claim and of its opposite, in every measure and in the paper's alone; fields of verdicts, columns of looks."""
LOOK_COLUMNS = [
    "trial_id", "record_id", "claim_id", "look", "looks", "seeds", "which_seeds", "weight", *P_VALUES,
    "outcome", "alpha", "spending", "budget", "ended",
]  # fmt: skip
