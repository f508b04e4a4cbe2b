"""What Diving48's wrong answers have in common with the right ones: classes as attributes (tables 6 and 7).

A class is four attributes: takeoff, somersaults, twists, position. Of the set of wrong top-1 predictions of some clips
on S1 and S2, each class once however often it was said, those attributes are counted that equal the true class's
(facts.md section 6). Numpy and pandas.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.results.columns import EXPERIMENT
from rac_ray.results.tables import Tables
from rac_ray.studies.diving48 import published
from rac_ray.studies.diving48.lists import ATTRIBUTES, CLASSES, VOCABULARY
from rac_ray.training.accuracy import among_the_best

EVIDENCE = ("s1", "s2")
"""Domains that hold the class's evidence."""
TEXTURE = "t"
CLIPS_DRAWN = 5
"""So many clips of a class are drawn at random, as in the paper."""
PAPER_EXPERIMENT = "c"
"""Tables 6 and 7 are of it."""
WHOSE = ["trial_id", "model", EXPERIMENT]
"""Columns that say whose predictions these are."""


class Score(NamedTuple):
    """Attributes that are right among a set of wrong classes."""

    correct: int
    of: int

    def __str__(self) -> str:
        return f"{self.correct}/{self.of}"


def correct_attributes(label: int, predicted: Collection[int]) -> Score:
    """The score of predicted classes, right ones and repetitions left out, against the true one."""
    wrong = set(predicted) - {label}
    true = VOCABULARY[label]
    correct = sum(one == other for said in wrong for one, other in zip(VOCABULARY[said], true, strict=True))
    return Score(correct, len(ATTRIBUTES) * len(wrong))


def drawn_clips(tables: Tables, label: int, clips: int | None = CLIPS_DRAWN, *, seed: int = 0) -> list[str]:
    """Ids of ``clips`` test clips of a class, drawn at random, or of all of them (None), in ascending order.

    Raises BadInput for an unknown class, and for one that has fewer clips than that, or none, on S1.
    """
    if not 0 <= label < CLASSES:
        raise BadInput(f"class {label} is not one of Diving48's; valid: 0 to {CLASSES - 1}")
    asked = tables.predictions.query("target == @EVIDENCE[0] and label == @label")
    there = sorted(set(asked["clip_id"]))
    if len(there) < (clips or 1):
        raise BadInput(
            f"class {label} has {counted(len(there), 'clip')} on {EVIDENCE[0]}; valid: {clips or 'at least 1'}"
        )
    if clips is None:
        return there
    chosen = np.random.default_rng(seed).choice(len(there), size=clips, replace=False)
    return [there[place] for place in sorted(chosen)]


def class_attributes(tables: Tables) -> pd.DataFrame:
    """``attribute_table`` of all classes, ``top_table``'s figures beside it: five random clips of a class, or all of
    them where it has fewer.

    Further columns ``s1_top1``, ``s1_top5`` and so on of S1, S2 and T, clips, and paper: the correct attributes that it
    prints for its own five clips. Empty unless the trials were evaluated on the same clips on S1 and S2.
    """
    if not any(tables.trials[EXPERIMENT]) or tables.predictions.empty:
        return pd.DataFrame()
    asked = {domain: tables.predictions.query("target == @domain") for domain in EVIDENCE}
    both = set.intersection(*(set(rows["clip_id"]) for rows in asked.values()))
    shape = asked[EVIDENCE[0]]
    of_class = shape[shape["clip_id"].isin(list(both))].groupby("label")["clip_id"].nunique()
    if of_class.empty:
        return pd.DataFrame()
    found = []
    for label, there in zip(of_class.index.to_numpy(int).tolist(), of_class.tolist(), strict=True):
        clip_ids = drawn_clips(tables, label, CLIPS_DRAWN if there >= CLIPS_DRAWN else None)
        top = top_table(tables, clip_ids).pivot_table(["top1", "top5"], "trial_id", "target", dropna=False)
        top.columns = [f"{target}_{what}" for what, target in top.columns]
        mine = attribute_table(tables, clip_ids).merge(top.reset_index(), on="trial_id")
        found.append(mine.assign(clips=len(clip_ids)))
    table = pd.concat(found, ignore_index=True)
    named = zip(table[EXPERIMENT], table["model"], table["label"], strict=True)
    return table.assign(paper=[str(_printed(*each) or "") for each in named])


def attribute_summary(table: pd.DataFrame) -> pd.DataFrame:
    """``class_attributes`` as a row per experiment and model: means over trials and classes, attributes added up.

    ``paper`` is the sum of what it prints for the four classes of experiment c.
    """
    if table.empty:
        return table
    rows = []
    for experiment, model in sorted(set(zip(table[EXPERIMENT], table["model"], strict=True))):
        mine = table.query("experiment == @experiment and model == @model")
        tops = {name: mine[name].mean() for name in mine if str(name).endswith(("_top1", "_top5"))}
        right = Score(sum(mine["correct"].tolist()), sum(mine["of"].tolist()))
        printed = [score for label in published.ANSWERS if (score := _printed(experiment, model, label))]
        paper = Score(sum(each.correct for each in printed), sum(each.of for each in printed))
        counts = {"trials": mine["trial_id"].nunique(), "classes": mine["label"].nunique()}
        shares = {"correct attributes": _with_share(right), "paper": _with_share(paper)}
        rows.append({EXPERIMENT: experiment, "model": model, **counts, **tops, **shares})
    return pd.DataFrame(rows)


def _with_share(score: Score) -> str:
    return f"{score} = {score.correct / score.of:.3f}" if score.of else "-"


def _printed(experiment: str, model: str, label: int) -> Score | None:
    """The paper's score of its own five clips of a class."""
    row = published.ANSWERS.get(label, {}).get(model) if experiment == PAPER_EXPERIMENT else None
    return Score(*map(int, row.correct_attributes.split("/"))) if row else None


def top_table(tables: Tables, clip_ids: Sequence[str]) -> pd.DataFrame:
    """Top-1 and top-5 of every trial on some clips of S1, S2 and T: the paper's table 6.

    Columns trial_id, model, experiment, target, top1, top5 (NaN without logits), clips.
    """
    rows = _asked(tables, clip_ids, (*EVIDENCE, TEXTURE))
    rows = rows.assign(top1=(rows["label"] == rows["predicted"]).astype(float), top5=_among_the_best(rows))
    groups = rows.groupby([*WHOSE, "target"], sort=False)
    return groups.agg(top1=("top1", "mean"), top5=("top5", "mean"), clips=("clip_id", "size")).reset_index()


def attribute_table(tables: Tables, clip_ids: Sequence[str]) -> pd.DataFrame:
    """Every trial's predictions for clips of one class on S1 and S2, and what is right in the wrong ones: table 7.

    Columns trial_id, model, experiment, label, s1 and s2 (predictions in the order of
    ``clip_ids``), wrong (the set, ascending), correct, of, share.
    """
    rows = _asked(tables, clip_ids, EVIDENCE)
    found = []
    for key, mine in rows.groupby(WHOSE, sort=False):
        said = {
            domain: mine.query("target == @domain").set_index("clip_id")["predicted"].reindex(clip_ids).astype(int)
            for domain in EVIDENCE
        }
        label = int(mine["label"].iloc[0])
        wrong = sorted({*said["s1"], *said["s2"]} - {label})
        score = correct_attributes(label, wrong)
        found.append(
            {
                **dict(zip(WHOSE, cast(tuple[str, ...], key), strict=True)),
                "label": label,
                **{domain: each.tolist() for domain, each in said.items()},
                "wrong": wrong,
                **score._asdict(),
                "share": score.correct / score.of if score.of else float("nan"),
            }
        )
    return pd.DataFrame(found)


def _asked(tables: Tables, clip_ids: Sequence[str], domains: Sequence[str]) -> pd.DataFrame:
    """Predictions for these clips on these domains, with what their trials are."""
    chosen = tables.predictions["clip_id"].isin(list(clip_ids)) & tables.predictions["target"].isin(domains)
    return tables.predictions.loc[chosen].merge(tables.trials[WHOSE], on="trial_id")


def _among_the_best(rows: pd.DataFrame) -> np.ndarray:
    """(N,) 1.0 where the true class is among the five likeliest, NaN without logits; a tie counts against it."""
    if "logits" not in rows or rows.empty:
        return np.full(len(rows), np.nan)
    logits = np.stack(rows["logits"].to_list())
    return among_the_best(logits, rows["label"].to_numpy(int)).astype(float)
