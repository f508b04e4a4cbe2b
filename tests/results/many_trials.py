"""Tables of a sweep of any size, made up without training; some trials failed, one runs, one has not run."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.results import Tables
from rac_ray.results.columns import EVALUATION_COLUMNS, FAILURE_COLUMNS, KEY, TRIAL_COLUMNS

MODELS = ("convlstm", "cnn3d", "timesformer1", "timesformer8")
TARGETS = ("5dot", "mnist", "mnist_bg")
HOSTILE_REASON = "<img src=x onerror=alert(1)>"
HOSTILE_TRACEBACK = "</script><script>window.hacked=1</script>"
RULE = "highest source-validation top-1, first epoch on ties"


def sweep(
    sizes: Sequence[int] = (2, 4),
    seeds: Sequence[int] = (42, 61),
    sources: Sequence[str] = ("2dot",),
    targets: Sequence[str] = TARGETS,
    *,
    clips: int = 50,
    epochs: int = 6,
) -> Tables:
    """4 models x sizes x seeds x sources. Of more than four trials the last four: failed, failed, running, pending."""
    rng = np.random.default_rng(0)
    keys = list(product(sources, MODELS, sizes, seeds))
    trials = [_trial(number, key) for number, key in enumerate(keys)]
    last = [
        ("failed", f"code: {HOSTILE_REASON}"),
        ("failed", "out of memory: 3 times"),
        ("running", "attempt 1 is running"),
    ]
    for trial, (state, reason) in zip(trials[-4:], [*last, ("pending", "has not run")], strict=True):
        trial.update(state=state, reason=reason)
    done = [trial for trial in trials if trial["state"] == "done"]
    predictions = pd.concat([_predictions(trial, targets, clips, rng) for trial in done], ignore_index=True)
    evaluations = _evaluations(predictions, {trial["trial_id"]: trial for trial in done})
    for trial in done:
        trial.update(_outcome(evaluations.query("trial_id == @trial['trial_id']"), epochs))
    return Tables(
        trials=pd.DataFrame(trials).reindex(columns=list(dict.fromkeys(TRIAL_COLUMNS))),
        epochs=pd.concat([_epochs(trial["trial_id"], epochs, rng) for trial in done], ignore_index=True),
        evaluations=evaluations.reindex(columns=EVALUATION_COLUMNS),
        predictions=predictions,
        failures=pd.DataFrame(_failures(trials), columns=FAILURE_COLUMNS),
    )


def without_results(tables: Tables) -> Tables:
    """The same sweep before any trial has finished."""
    trials = tables.trials.assign(state="pending", reason="has not run", selection_rule=None, best_val_top1=None)
    nothing = pd.DataFrame(columns=["trial_id"])
    return Tables(trials, nothing, tables.evaluations.iloc[:0], nothing, tables.failures.iloc[:0])


def frames_of(clip_id: str) -> NDArray[np.uint8]:
    """A square that walks over a noisy ground; another one for each clip."""
    start = sum(clip_id.encode()) % 20
    frames = np.random.default_rng(start).integers(0, 60, (20, 64, 64), np.uint8)
    for time, frame in enumerate(frames):
        frame[30:36, start + 2 * time : start + 2 * time + 6] = 255
    return frames


def _trial(number: int, key: tuple[str, str, int, int]) -> dict[str, object]:
    source, model, hidden_units, seed = key
    recipe = {"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 1e-5, "batch_size": 64, "max_epochs": 100}
    names = {"study": "synthetic", "size": "", "experiment": "", "variant": "", "recipe": ""}
    return {
        "trial_id": f"{number:012x}", "model": model, "hidden_units": hidden_units, "source": source, "seed": seed,
        "state": "done", "reason": "", "about": "digits=optdigits", "classes": 5, "data": "1e195edc769e190e",
        "training_version": 1, "patience": 10, "precision": "auto", **recipe, **names,
    }  # fmt: skip


def _predictions(
    trial: dict[str, object], targets: Sequence[str], clips: int, rng: np.random.Generator
) -> pd.DataFrame:
    sets = [(trial["source"], "val"), (trial["source"], "test"), *((target, "test") for target in targets)]
    labels = np.tile(np.arange(clips) % 5, len(sets))
    logits = rng.normal(size=(len(labels), 5)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += 1
    return pd.DataFrame(
        {
            "trial_id": trial["trial_id"],
            "target": np.repeat([target for target, _ in sets], clips),
            "split": np.repeat([split for _, split in sets], clips),
            "clip_id": [f"{target}/{split}/{index:06d}" for target, split in sets for index in range(clips)],
            "label": labels.astype(np.int8),
            "predicted": logits.argmax(axis=1).astype(np.int8),
            "logits": list(logits),
        }
    )


def _evaluations(predictions: pd.DataFrame, done: dict[object, dict[str, object]]) -> pd.DataFrame:
    correct = (predictions["label"] == predictions["predicted"]).groupby(
        [predictions[name] for name in ("trial_id", "target", "split")], sort=False
    )
    rows = correct.agg(["sum", "size", "mean"]).reset_index()
    rows = rows.rename(columns={"sum": "correct", "size": "clips", "mean": "top1"})
    for name in ("study", *KEY, "size", "experiment", "variant", "recipe"):
        rows[name] = [done[trial_id][name] for trial_id in rows["trial_id"]]
    own = rows["target"] == rows["source"]
    rows["role"] = np.where(own, "source_" + rows["split"], "target")
    val = rows.query("split == 'val'").set_index("trial_id")["top1"].to_dict()
    source = np.array([val[trial_id] for trial_id in rows["trial_id"]])
    rows["robustness_ratio"] = rows["top1"] / source
    rows["chance_corrected_ratio"] = (rows["top1"] - 0.2) / (source - 0.2)
    return rows.assign(ratio_to_source_test=rows["robustness_ratio"])


def _outcome(evaluations: pd.DataFrame, epochs: int) -> dict[str, object]:
    return {
        "parameters": 1573, "best_epoch": epochs // 2, "best_val_top1": evaluations["top1"].iloc[0], "epochs": epochs,
        "selection_rule": RULE, "schema": 1, "precision_used": "32", "device": "cpu", "workers": 1, "host": "here",
        "python": "3.11.7", "commit": "0123456789ab", "versions": "numpy 2.4.6, torch 2.13.0", "seconds_total": 15.2,
        "finished_at": "2026-01-01T00:00:00Z", "source_test_top1": evaluations["top1"].iloc[1],
    }  # fmt: skip


def _epochs(trial_id: object, epochs: int, rng: np.random.Generator) -> pd.DataFrame:
    falling = 1.6 * np.exp(-np.arange(epochs) / epochs) + rng.normal(scale=0.02, size=epochs)
    top1 = {"train_top1": 1 - falling / 2, "val_top1": 0.9 - falling / 2}
    return pd.DataFrame(
        {"trial_id": trial_id, "epoch": range(epochs), "train_loss": falling, "val_loss": falling + 0.1, **top1}
    )


def _failures(trials: list[dict[str, object]]) -> list[list[object]]:
    hostile, greedy = (trial["trial_id"] for trial in trials[-4:-2])
    secret = "GET s3://user:hunter2@bucket/x?secret_key=hunter2&region=eu failed"
    return [
        [trials[0]["trial_id"], 1, "preempted", "its process was killed", False, "here", "", ""],
        [hostile, 1, "code", HOSTILE_REASON, True, "here", f"Traceback\n{HOSTILE_TRACEBACK}", ""],
        [greedy, 1, "out of memory", secret, True, "there", "Traceback\n" + "  frame\n" * 2000 + "MemoryError", ""],
    ]
