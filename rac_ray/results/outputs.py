"""Every file that follows from a sweep's records: tables and figures. The same records give the same bytes."""

from collections.abc import Sequence

from rac_ray.results import formats
from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import Drawing, write_all
from rac_ray.results.looks import Picture
from rac_ray.store.storage import Storage

TABLES, FIGURES = "tables", "figures"


def write_outputs(analysis: Analysis, folder: Storage, drawn: Sequence[tuple[Drawing, Picture]]) -> list[str]:
    """Write ``tables/*.parquet|csv|md|tex`` and ``figures/*.png|svg``; returns their names below ``folder``.

    ``drawn`` are the analysis' figures (``figures.pictures``).
    """
    tables = folder.below(TABLES)
    written = [f"{TABLES}/{name}" for name in analysis.tables.write(tables)]
    for sheet in analysis.sheets:
        caption = f"{sheet.title}. {analysis.stamp}"
        written += [f"{TABLES}/{name}" for name in formats.write(tables, sheet.name, sheet.long, sheet.shown, caption)]
    return written + [f"{FIGURES}/{name}" for name in write_all(drawn, folder.below(FIGURES))]
