"""Sweeps with a known truth: tables as ``load`` gives them, drawn from stated accuracies. No ledger, no training."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from rac_ray.identity import Recipe, Training
from rac_ray.results.columns import EVALUATION_COLUMNS, FAILURE_COLUMNS, TRIAL_COLUMNS
from rac_ray.results.robustness import above_chance, chance_corrected_ratio, robustness_ratio
from rac_ray.results.tables import Tables

PARTS = {
    "2dot": {
        "2dot/val": "source_val",
        "2dot/test": "source_test",
        **{f"{target}/test": "target" for target in ("5dot", "mnist", "mnist_bg", "mnist_bg_half")},
    },
    "mnist_bg": {
        "mnist_bg_half/val": "source_val",
        "mnist_bg_half/test": "source_test",
        **{f"{target}/test": "target" for target in ("mnist", "5dot", "2dot")},
    },
}
RECIPE = Recipe(precision="32")
MODELS = ("convlstm", "cnn3d", "timesformer1", "timesformer8")
PER_SIZE = {"convlstm": 900, "cnn3d": 800, "timesformer1": 700, "timesformer8": 8000}
"""Parameters per hidden unit, roughly: sizes overlap."""
Truth = Callable[[str, int, str, str], float]
"""(model, hidden units, source, target) to the top-1 that a trial has on average."""


def sweep(
    truth: Truth,
    *,
    models: Sequence[str] = MODELS,
    sizes: Sequence[int] = (2, 8, 32),
    seeds: Sequence[int] = (42, 61, 47, 53, 57),
    sources: Sequence[str] = ("2dot",),
    clips: int = 300,
    between_seeds: float = 0.02,
    of_clips: float = 0.2,
    by_model_and_seed: float = 0.0,
    draw: int = 0,
    more_parts: Mapping[str, str] = MappingProxyType({}),
    shared_difficulty: bool = False,
) -> Tables:
    """Tables of finished trials: a clip's difficulty is shared by all trials, a trial's skill varies by seed.

    ``by_model_and_seed`` is what all sizes of a model have in common under one seed. ``more_parts`` adds evaluation
    sets with their roles; with ``shared_difficulty`` clip i is as hard in every set.
    """
    rng = np.random.default_rng(draw)
    asked = {source: {**PARTS[source], **more_parts} for source in sources}
    parts = dict.fromkeys(part for each in asked.values() for part in each)
    difficulty: dict[str, Any] = {part: of_clips * np.sqrt(3) * rng.uniform(-1, 1, clips) for part in parts}
    if shared_difficulty:
        difficulty = dict.fromkeys(parts, next(iter(difficulty.values())))
    labels = {part: np.random.default_rng(zlib.crc32(part.encode())).integers(5, size=clips) for part in parts}
    trials, evaluations, predictions, epochs = [], [], [], []
    for source in sources:
        for model in models:
            for size in sizes:
                for seed in seeds:
                    luck = by_model_and_seed * np.random.default_rng([draw, seed, MODELS.index(model)]).normal()
                    trial = Training(model, size, source, seed, RECIPE, "data", about={"digits": "optdigits"})
                    answers = {}
                    for part in asked[source]:
                        target = part.partition("/")[0]
                        skill = truth(model, size, source, target) + luck + float(rng.normal(0, between_seeds))
                        right = rng.random(clips) < np.clip(skill + difficulty[part], 0, 1)
                        wrong = (labels[part] + rng.integers(1, 5, clips)) % 5
                        answers[part] = np.where(right, labels[part], wrong)
                    rows = _evaluations(trial, asked[source], answers, labels, clips)
                    trials.append(_trial_row(trial, PER_SIZE[model] * size, rows, clips))
                    evaluations += rows
                    predictions += [_predictions(trial, part, labels[part], said) for part, said in answers.items()]
                    epochs.append({"trial_id": trial.training_id, "epoch": 0, "train_loss": 1.0, "val_top1": 0.5})
    return Tables(
        trials=pd.DataFrame(trials, columns=TRIAL_COLUMNS),
        epochs=pd.DataFrame(epochs),
        evaluations=pd.DataFrame(evaluations, columns=EVALUATION_COLUMNS),
        predictions=pd.concat(predictions, ignore_index=True) if predictions else pd.DataFrame(columns=["trial_id"]),
        failures=pd.DataFrame(columns=FAILURE_COLUMNS),
    )


def _key(trial: Training) -> dict[str, Any]:
    return {
        "trial_id": trial.training_id,
        "model": trial.model,
        "hidden_units": trial.hidden_units,
        "source": trial.source,
        "seed": trial.seed,
        "study": "synthetic",
        "size": trial.size,
        "experiment": "",
        "variant": "",
        "recipe": "",
        "about": "digits=optdigits",
        "data": trial.data,
        "selection_rule": "best validation",
    }


def _evaluations(
    trial: Training, roles: Mapping[str, str], answers: dict[str, Any], labels: dict[str, Any], clips: int
) -> list[dict[str, Any]]:
    rows = []
    correct = {part: int((said == labels[part]).sum()) for part, said in answers.items()}
    by_role = {role: correct[part] / clips for part, role in roles.items()}
    for part, role in roles.items():
        target, split = part.split("/")
        top1 = correct[part] / clips
        ratios = {
            "robustness_ratio": float(robustness_ratio(top1, by_role["source_val"])),
            "chance_corrected_ratio": float(chance_corrected_ratio(top1, by_role["source_val"], 0.2)),
            "ratio_to_source_test": float(robustness_ratio(top1, by_role["source_test"])),
        }
        place = {"target": target, "split": split, "role": role}
        rows.append({**_key(trial), **place, "clips": clips, "correct": correct[part], "top1": top1, **ratios})
    return rows


def _trial_row(trial: Training, parameters: int, rows: list[dict[str, Any]], clips: int) -> dict[str, Any]:
    best = next(row["top1"] for row in rows if row["role"] == "source_val")
    outcome = {
        "classes": 5,
        "training_version": 2,
        "parameters": parameters,
        "best_val_top1": best,
        "epochs": 1,
        "best_epoch": 0,
    }
    return {
        **_key(trial),
        "state": "done",
        "reason": "",
        "learned": above_chance(best, clips, 1, 5),
        **outcome,
        **asdict(trial.recipe),
    }


def _predictions(trial: Training, part: str, labels: Any, said: Any) -> pd.DataFrame:
    target, split = part.split("/")
    return pd.DataFrame(
        {
            "trial_id": trial.training_id,
            "target": target,
            "split": split,
            "clip_id": [f"{part}/{index:06d}" for index in range(len(labels))],
            "label": labels,
            "predicted": said,
        }
    )


def by_name(tables: Tables, names: Mapping[tuple[str, int], str], hidden_units: int = 128) -> Tables:
    """The tables with sizes by name, all of the same hidden units, in place of hidden units."""

    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        if "hidden_units" not in frame:
            return frame
        sizes = [names[key] for key in zip(frame["model"], frame["hidden_units"], strict=True)]
        return frame.assign(size=sizes, hidden_units=hidden_units)

    return Tables(*(renamed(frame) for frame in vars(tables).values()))


def unasked(tables: Tables, part: str, query: str) -> Tables:
    """The tables as if the trials of this query had not been asked about an evaluation set, as ``mnist/test``."""
    trials = tables.trials.query(query)["trial_id"].tolist()

    def without(frame: pd.DataFrame) -> pd.DataFrame:
        gone = frame["trial_id"].isin(trials) & (frame["target"] + "/" + frame["split"] == part)
        return frame.loc[~gone].reset_index(drop=True)

    return replace(tables, evaluations=without(tables.evaluations), predictions=without(tables.predictions))
