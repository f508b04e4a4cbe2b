"""Tables as a report shows them at first: few columns with names, numbers with two digits that mean something."""

from collections.abc import Mapping, Sequence

import pandas as pd

from rac_ray.results.at_chance import AT_CHANCE
from rac_ray.results.findings import FEW
from rac_ray.results.formats import p_in_words, signed
from rac_ray.results.looks import look_of
from rac_ray.results.names import Domains, domain_name
from rac_ray.results.sheet import Sheet

STATISTICS = {
    "ratio": "robustness ratio",
    "ratio_iqm": "robustness ratio, middle half of the trials",
    "ratio_to_source_test": "ratio to the source's test clips",
    "chance_corrected_ratio": "ratio beyond guessing",
    "area": "robustness ratio over shared sizes",
    "effective": "accuracy beyond what others' would be",
}
"""Names of the statistics of the robustness table."""
COUNTS = ("trials", "seeds", "sizes")


DOMAIN_COLUMNS = ("source", "target", "from_domain", "to_domain")


def columns_of(sheet: Sheet, domains: Domains) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Columns that are seen at first, and those for who asks; models and domains by their names."""
    page = sheet.shown if sheet.page is None else sheet.page
    further = sheet.shown.reset_index(drop=True).loc[page.index] if sheet.page is not None else page
    more = further.loc[:, [name for name in further if name not in page]]
    return with_names(page, domains), with_names(more, domains)


def with_names(table: pd.DataFrame, domains: Domains) -> pd.DataFrame:
    """A table with names of models and domains in place of keys, and columns in words."""
    called = {name: [domain_name(domains, key) for key in table[name]] for name in DOMAIN_COLUMNS if name in table}
    called |= {
        name: [look_of(key).label for key in table[name]] for name in ("model", "first", "second") if name in table
    }
    return (
        table.assign(**called).set_axis([str(name).replace("_", " ") for name in table], axis=1).reset_index(drop=True)
    )


def spread_page(shown: pd.DataFrame, parts: Sequence[str]) -> pd.DataFrame:
    """A wide table of means without counts; rows that say nothing of any of ``parts`` are left out."""
    said = shown.drop(columns=[name for name in COUNTS if name in shown])
    if "statistic" in said:
        said = said.assign(statistic=said["statistic"].replace(STATISTICS))
    silent = [set(row) == {"-"} for row in said[list(parts)].itertuples(index=False, name=None)]
    return said.loc[[not each for each in silent]]


def comparison_page(
    table: pd.DataFrame, seeds: Sequence[int], domains: Domains, sources: Sequence[str]
) -> pd.DataFrame:
    """Differences between two models in words; ``seeds`` are how many both models of each row have, ``sources`` those
    of the sweep."""
    rows = []
    for row, both in zip(table.to_dict("records"), seeds, strict=True):
        enough = both >= FEW
        known = not pd.isna(row["estimate"])
        rows.append(
            {
                "models": f"{look_of(row['first']).label} less {look_of(row['second']).label}",
                "trained on": domain_name(domains, row["source"]),
                "domain": domain_name(domains, row["target"]),
                "difference of the ratio": signed(*_of(row, "estimate", ""), enough=enough)
                if known
                else (f"{AT_CHANCE}: no ratio" if row["pairs"] else "no pair of trials"),
                "p (Holm)": p_in_words(row["holm"]) if known and enough else "-",
                "pairs of seeds in which the first has the higher ratio": _share(row["improvement"]),
                "accuracy difference at equal accuracy at home": signed(
                    *_of(row, "same_accuracy", "same_accuracy_"), enough=enough
                ),
            }
        )
    page = pd.DataFrame(rows)
    return page.drop(columns=["trained on"]) if len(sources) == 1 and rows else page


def _of(row: Mapping[str, float], name: str, prefix: str) -> tuple[float, float, float]:
    """An estimate and its interval."""
    return row[name], row[f"{prefix}low"], row[f"{prefix}high"]


def _share(value: float) -> str:
    return "-" if pd.isna(value) else f"{100 * value:.0f}%"
