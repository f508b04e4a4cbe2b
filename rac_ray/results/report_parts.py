"""The parts of a sweep's report: figures with the tables under them, further tables, claims."""

from collections.abc import Sequence

from rac_ray.results.analysis import Analysis
from rac_ray.results.at_chance import rule_in_words
from rac_ray.results.claim_rows import ClaimRow, claim_rows
from rac_ray.results.figures import Drawing
from rac_ray.results.looks import Picture, on_page, with_time
from rac_ray.results.names import Domains
from rac_ray.results.page_tables import columns_of
from rac_ray.results.sections import Group, Section
from rac_ray.results.sheet import Sheet

TABLE_UNDER = {"figure3": "figure3", "figure4": "figure4", "parameters": "accuracy-by-size", "profiles": "robustness"}
"""Which table has the numbers of a figure, by the beginnings of their names."""
RULE_BELOW = ("figure3", "figure4", "figure4-all-models", "profiles")
"""Figures of which the first of a source says what at chance means."""
LISTED = "claims"
"""The table that a report shows as a list of claims."""


def sections(analysis: Analysis, drawn: Sequence[tuple[Drawing, Picture]]) -> list[Section]:
    """Every figure of ``drawn``, the first of all as the main one, with its table under it; then the other tables."""
    sheets = {sheet.name: sheet for sheet in analysis.sheets if sheet.name != LISTED}
    several = len({drawing.of for drawing, _ in drawn}) > 1
    ruling = {drawing.source: drawing.name for drawing, _ in reversed(drawn) if drawing.kind in RULE_BELOW}
    figures = []
    for number, (drawing, picture) in enumerate(drawn):
        rule = rule_in_words(analysis.tables, drawing.source) if drawing.name in ruling.values() else ""
        group: Group = "figures" if number else "main"
        figures.append(_figure(analysis, drawing, picture, sheets.pop(_under(drawing), None), several, group, rule))
    return [*figures, *(_table(sheet, analysis.study.domains) for sheet in sheets.values())]


def claims(analysis: Analysis) -> list[ClaimRow]:
    """A row for each claim, of each recipe."""
    study = analysis.study
    return [
        row
        for recipe, part in analysis.by_recipe.items()
        for row in claim_rows(part.verdicts, study.printed_numbers, study.domains, recipe)
    ]


def _under(drawing: Drawing) -> str:
    return f"{TABLE_UNDER.get(drawing.kind, drawing.kind)}-{drawing.source}"


def _figure(
    analysis: Analysis,
    drawing: Drawing,
    picture: Picture,
    sheet: Sheet | None,
    several: bool,
    group: Group,
    rule: str,
) -> Section:
    heading = f"{drawing.title}, trained on {drawing.of}" if several else drawing.title
    table, more = columns_of(sheet, analysis.study.domains) if sheet else (None, None)
    files = (*(f"figures/{drawing.name}.{suffix}" for suffix in ("png", "svg")), *(_files(sheet) if sheet else ()))
    models = analysis.tables.evaluations.query("source == @drawing.source")["model"].unique()
    said = " ".join(filter(None, (drawing.about, with_time(models) if group == "main" else "", rule)))
    return Section(heading, said, table, on_page(picture), picture.stamp, more, files, group)


def _table(sheet: Sheet, domains: Domains) -> Section:
    table, more = columns_of(sheet, domains)
    group: Group = "claims" if sheet.name.startswith("claims") else "tables"
    return Section(_heading(sheet.name), sheet.title, table, None, "", more, _files(sheet), group)


def _files(sheet: Sheet) -> tuple[str, ...]:
    return tuple(f"tables/{sheet.name}.{suffix}" for suffix in ("csv", "md", "tex"))


def _heading(name: str) -> str:
    """``Accuracy by size``, ``Comparisons`` of the names of files."""
    words = name.replace("-", " ")
    return words[0].upper() + words[1:]
