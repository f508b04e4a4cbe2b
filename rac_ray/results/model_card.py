"""The model card of a sweep: what was trained and how, what came of it, what it is good for. Written from records."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.basis import weights_in_words
from rac_ray.results.card import TASK, bullets, card, licence_of, number, section
from rac_ray.results.claim_rows import claim_rows
from rac_ray.results.columns import DIFFERENCE, EXPERIMENT, RECIPE_COLUMNS, SIZE_NAME
from rac_ray.results.formats import markdown
from rac_ray.results.looks import look_of
from rac_ray.results.shared_weights import CONFIG, WEIGHTS
from rac_ray.results.sheet import Sheet
from rac_ray.results.verdict_words import standing

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis

TABLES = ("figure3", "robustness")
"""Beginnings of the names of the tables that a card has, besides those that the study prints."""
RATIO = "robustness-ratio"
USUAL = {"momentum": 0.9, "schedule": "constant", "warm_up": 0.0, "label_smoothing": 0.0, "normalisation": "batch"}
"""Values of a recipe that need not be told when all models have them."""


def model_card(analysis: "Analysis", data_id: str, having: Collection[str]) -> bytes:
    """``README.md`` of the models, of which the trials ``having`` have weights beside it."""
    facts, name = analysis.study.facts, title_of(analysis)
    models = [look_of(model).label for model in _done(analysis)["model"].unique()]
    front = {
        **licence_of(facts.weights_licence),
        "library_name": "rac-ray",
        "pipeline_tag": TASK,
        "tags": list(dict.fromkeys([TASK, *facts.tags, "rac-ray"])),
        "datasets": [data_id],
        "metrics": ["accuracy"],
        "model-index": list(_index(analysis, data_id)),
    }
    body = [
        f"# Models of {name}",
        "",
        f"{len(_done(analysis))} trained video models: {', '.join(models) or 'none yet'}. {facts.summary}".strip(),
        "",
        *section("How to load a model", _loading(having, facts.clips)),
        *section("The models", _trials(analysis, having)),
        *section("How they were trained", _training(analysis)),
        *section("Results", _results(analysis)),
        *section("Verdicts", _verdicts(analysis)),
        *section("What the models are for", bullets(facts.intended)),
        *section("Limits", bullets(facts.limits)),
        *section("Licence", [facts.weights_licence.says]),
        *section("More", bullets(f"[{what}]({link})" for what, link in facts.links.items())),
        *section("Citation", ["```bibtex", facts.citation, "```"] if facts.citation else []),
    ]
    return card(front, body)


def title_of(analysis: "Analysis") -> str:
    """The study's title, or its name."""
    return analysis.study.facts.title or analysis.study.name or "a sweep"


def _done(analysis: "Analysis") -> pd.DataFrame:
    return analysis.tables.trials.query("state == 'done'")


def _index(analysis: "Analysis", data_id: str) -> Iterator[dict[str, Any]]:
    """Of each model, source and recipe: mean top-1 per evaluation set, and the robustness ratio of the targets."""
    for recipe, part in analysis.by_recipe.items():
        ratios = part.robustness.query("statistic == 'ratio'")
        kept = {(row["source"], row["model"], row["target"]): row["mean"] for row in ratios.to_dict("records")}
        groups: Any = part.accuracy.groupby(["source", "model"], sort=False)
        for (source, model), rows in groups:
            results = []
            for row in rows.dropna(subset=["mean"]).to_dict("records"):
                basis = f"mean over {counted(row['trials'], 'trial')}"
                metrics = [{"type": "accuracy", "name": f"top-1, {basis}", "value": number(row["mean"])}]
                ratio = kept.get((source, model, row["target"])) if row["role"] == "target" else None
                if ratio is not None and not pd.isna(ratio):
                    metrics.append({"type": RATIO, "name": f"robustness ratio, {basis}", "value": number(ratio)})
                dataset = {"name": f"{title_of(analysis)}, {row['target']}", "type": data_id}
                dataset |= {"config": row["target"], "split": row["split"]}
                results.append({"task": {"type": TASK}, "dataset": dataset, "metrics": metrics})
            name = f"{look_of(model).label} trained on {source}" + f", {recipe}" * bool(recipe)
            yield {"name": name, "results": results}


def _loading(having: Collection[str], clips: str) -> list[str]:
    if not having:
        return ["The weights are not part of this. The numbers below are of trials whose weights were not shared."]
    return [
        f"Each folder has one model: `{WEIGHTS}` and `{CONFIG}`, which says how it is built and how it was trained. No "
        "file is a pickle.",
        "",
        "```python",
        "import rac_ray",
        "",
        f'model = rac_ray.load_exported("{min(having)}")  # the folder, once it is on your disk',
        "```",
        "",
        f"The model takes clips (B, T, C, H, W) float32, {clips}, and gives logits (B, classes).",
    ]


def _trials(analysis: "Analysis", having: Collection[str]) -> list[str]:
    """A row per trial with its accuracy on each set; its id links to its weights."""
    trials = _done(analysis)
    sets = analysis.tables.evaluations
    named = sets.assign(head=sets["target"] + " " + sets["split"], shown=[f"{100 * top1:.1f}" for top1 in sets["top1"]])
    spread = named.drop_duplicates(["trial_id", "head"]).set_index(["trial_id", "head"])["shown"]
    scores = spread.unstack("head", sort=False).reindex(trials["trial_id"]).fillna("-")
    links = [f"[{each}]({each}/{WEIGHTS})" if each in having else each for each in trials["trial_id"]]
    said = {name: trials[name] for name in (SIZE_NAME, EXPERIMENT, DIFFERENCE) if any(trials[name])}
    table = pd.DataFrame(
        {
            "trial": links,
            "model": [look_of(model).label for model in trials["model"]],
            "hidden units": trials["hidden_units"],
            **said,
            "source": trials["source"],
            "seed": trials["seed"],
            "parameters": [f"{count:.0f}" for count in trials["parameters"]],
            "epoch": [f"{epoch + 1:.0f}" for epoch in trials["best_epoch"]],
            **{head: scores[head].tolist() for head in scores},
        }
    )
    return [markdown(table, "Top-1 in % of the checkpoint that was chosen, on each set of clips.")]


def _training(analysis: "Analysis") -> list[str]:
    trials = _done(analysis)
    if trials.empty:
        return []
    recipes = trials.drop_duplicates(["model", *RECIPE_COLUMNS])
    told = [name for name in RECIPE_COLUMNS if name not in USUAL or any(recipes[name] != USUAL[name])]
    table = pd.DataFrame(
        {"model": [look_of(model).label for model in recipes["model"]]}
        | {name.replace("_", " "): [_cell(value) for value in recipes[name]] for name in told}
    )
    facts = {
        "Device": trials["device"],
        "Code": trials["commit"],
        "Versions": trials["versions"],
    }
    listed = {what: "; ".join(sorted({str(value) for value in values.dropna()})) for what, values in facts.items()}
    return [
        markdown(table, "The first weights of each model are drawn from the seed of its trial."),
        *bullets(
            [
                f"Evaluated: {weights_in_words(trials['selection_rule'].dropna())}.",
                *(f"{what}: {values}." for what, values in listed.items() if values),
            ]
        ),
    ]


def _cell(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _results(analysis: "Analysis") -> list[str]:
    return [analysis.stamp + ".", "", *(line for sheet in _sheets(analysis) for line in (_shown(sheet),))]


def _sheets(analysis: "Analysis") -> Sequence[Sheet]:
    beginnings = tuple(dict.fromkeys([*TABLES, *analysis.study.printed]))
    return [sheet for sheet in analysis.sheets if sheet.name.startswith(beginnings)]


def _shown(sheet: Sheet) -> str:
    return markdown(sheet.shown, f"**{sheet.title}**")


def _verdicts(analysis: "Analysis") -> list[str]:
    """What the sweep says to each claim of the paper, of each recipe."""
    unfinished = len(analysis.tables.trials.query("state not in ('done', 'unreached')"))
    lines: list[str] = []
    for recipe, part in analysis.by_recipe.items():
        if part.verdicts:
            caption = f"{recipe}: " * bool(recipe) + standing(part.verdicts, unfinished) + "."
            claims = claim_rows(part.verdicts, analysis.study.printed_numbers, analysis.study.domains)
            rows = [(each.ruling, each.quote, each.effect, each.means) for each in claims]
            table = pd.DataFrame(rows, columns=["verdict", "the paper says", "seen here", "which means"])
            lines.append(markdown(table, caption))
    return lines
