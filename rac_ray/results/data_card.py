"""The data card of a sweep: its domains, splits and counts, how the clips were made, under which licence."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from rac_ray.results.card import TASK, bullets, card, licence_of, section
from rac_ray.results.formats import markdown
from rac_ray.results.model_card import title_of
from rac_ray.results.shared_weights import classes_of, without_places
from rac_ray.store.record import Record

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis

SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
"""Hugging Face's words for numbers of clips, by what they are below."""
MORE = "1M<n<10M"
COUNTS = "clips"
"""In what clips are made from: their number by ``domain/split``."""
USES = {None: "training", "source_val": "validation"}
"""By the role of an evaluation."""
SHOWN_DIGITS = 16
"""Of a hash over clips."""


def data_card(analysis: "Analysis", records: Sequence[Record]) -> bytes:
    """``README.md`` of the clips that finished trainings read."""
    facts, parts = analysis.study.facts, parts_of(records)
    front = {
        **licence_of(facts.data_licence),
        "pretty_name": title_of(analysis),
        "task_categories": [TASK],
        "tags": list(dict.fromkeys(["video", *facts.tags])),
        "size_categories": [_size(sum(count for count in parts["clips"] if count is not None))],
        "configs": list(_configs(parts)) if facts.may_be_shared else [],
    }
    body = [
        f"# Clips of {title_of(analysis)}",
        "",
        facts.data_summary or f"The clips that the models of {title_of(analysis)} were trained on and asked about.",
        "",
        *section("Domains", bullets(_shown(facts.domains, parts["domain"]))),
        *section("Splits", bullets(_shown(facts.splits, parts["split"]))),
        *section("Clips", [_table(parts)]),
        *section("Classes", _classes(analysis, records)),
        *section("How they were made", [facts.how_made, *_made_from(records)] if facts.how_made else []),
        *section("What is in a file", bullets(f"`{name}`: {what}." for name, what in facts.columns.items())),
        *section("Where they differ from what is written", bullets(facts.differences)),
        *section("Licence", [facts.data_licence.says]),
        *section("More", bullets(f"[{what}]({link})" for what, link in facts.links.items())),
        *section("Citation", ["```bibtex", facts.citation, "```"] if facts.citation else []),
    ]
    return card(front, body)


def parts_of(records: Sequence[Record]) -> pd.DataFrame:
    """A row per domain, split and content that trainings read: its variant, clips (None: unknown), use and hash.

    The hash is over labels and decoded pixels; empty where nobody counts them.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        counts = {each.part: each.clips for each in record.evaluations}
        counts = {**counts, **(record.dataset or {}).get(COUNTS, {})}
        roles = {each.part: each.role for each in record.evaluations}
        for part in dict.fromkeys([*record.content, *(record.dataset or {}).get(COUNTS, {}), *counts]):
            domain, _, split = part.rpartition("/")
            row = {
                "domain": domain or "-",
                "split": split,
                "variant": " ".join(f"{name}={value}" for name, value in sorted(record.variants.items())),
                "clips": counts.get(part),
                "used for": USES.get(roles.get(part), "evaluation"),
                "content": record.content.get(part, ""),
            }
            rows.setdefault((part, row["content"] or row["variant"]), row)
    columns = ["domain", "split", "variant", "clips", "used for", "content"]
    return pd.DataFrame(list(rows.values()), columns=columns).astype({"clips": object})


def _table(parts: pd.DataFrame) -> str:
    kept = [name for name in parts if name != "variant" or len(set(parts[name])) > 1]
    shown = parts[kept].assign(
        clips=["-" if count is None else str(count) for count in parts["clips"]],
        content=[content[:SHOWN_DIGITS] or "-" for content in parts["content"]],
    )
    return markdown(shown, "Content is the beginning of a SHA-256 over labels and decoded pixels.")


def _shown(said: Mapping[str, str], there: Iterable[str]) -> list[str]:
    """What the study says of domains or splits that were read."""
    names = set(there)
    return [f"`{name}`: {words}." for name, words in said.items() if name in names]


def _configs(parts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Which files hold a domain's splits, by the names that shards have."""
    for domain, rows in parts.groupby("domain", sort=False):
        splits = list(dict.fromkeys(rows["split"]))
        files = [{"split": split, "path": f"{domain}/{split}-*.parquet"} for split in splits]
        yield {"config_name": domain, "data_files": files}


def _size(clips: int) -> str:
    return next((words for below, words in SIZES.items() if clips < below), MORE)


def _classes(analysis: "Analysis", records: Sequence[Record]) -> list[str]:
    named = dict.fromkeys(tuple(classes_of(record, analysis.study)) for record in records)
    return bullets(f"{number}: {name}" for names in named for number, name in enumerate(names))


def _made_from(records: Sequence[Record]) -> list[str]:
    """What decides the pixels, seeds among it, once for each way in which clips were made."""
    ways: dict[str, None] = {}
    for record in records:
        said = {name: value for name, value in (record.dataset or {}).items() if name != COUNTS}
        if said:
            ways[json.dumps(without_places(said), indent=1, sort_keys=True)] = None
    return [line for way in ways for line in ("", "```json", way, "```")]
