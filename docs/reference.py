"""The reduced study that comes with the package, packed anew; tables, pictures and counts of the pages about it.

Run ``PYTHONPATH=. python docs/reference.py results/ts_grid`` from the repository when further trials of ``laptop`` have
finished there. Of the preset's slices, a source and a size, those go in of which every trial is done: what compares
models compares the same trials of each. What the pages say in words is written by hand afterwards.
"""

import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from playwright.sync_api import ViewportSize, sync_playwright

from docs.picture import picture
from rac_ray.results.capsule import OUTPUTS, RECORDS, pack, unpack
from rac_ray.results.looks import look_of
from rac_ray.results.names import domain_name
from rac_ray.results.shown import show
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.study import REFERENCE, TemporalShape
from rac_ray.sweep.outcomes import Wanted
from rac_ray.training.task import Task
from tests.browsing import CHROMIUM

ROOT, PRESET = Path(__file__).parents[1], "laptop"
TITLE = f"ts_grid {PRESET}"
FINDINGS, PICTURES = "docs/findings.md", ROOT / "docs/pictures"
COUNTED = ("README.md", "docs/sweeps.md", FINDINGS)
"""Pages that say how many trials have run."""
SCREEN: ViewportSize = {"width": 1440, "height": 900}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TABLE = re.compile(r"(?:^\|.*(?:\n|\Z))+", re.MULTILINE)


def planned() -> list[Task]:
    """What the preset asks for on a processor."""
    study = TemporalShape()
    with tempfile.TemporaryDirectory(prefix="rac_ray-") as data:
        return study.tasks(study.presets[PRESET], Storage.at(data), "32")


def whole_slices(tasks: Sequence[Task], done: Collection[str]) -> list[str]:
    """Ids of the trainings of slices that are done."""
    slices: dict[tuple[str, int], list[str]] = defaultdict(list)
    for task in tasks:
        slices[task.training.source, task.training.hidden_units].append(task.training_id)
    return [each for ids in slices.values() if set(ids) <= set(done) for each in ids]


def with_tables(page: str, tables: Sequence[str]) -> str:
    """The page with each table in place of the one that has the same first line. Raises ValueError where none has."""
    for table in tables:
        head, new = table.splitlines()[0], table.rstrip("\n") + "\n"
        old = [found[0] for found in TABLE.finditer(page) if found[0].splitlines()[0] == head]
        if len(old) != 1:
            raise ValueError(f"{len(old)} tables begin with {head!r}; valid: one")
        page = page.replace(old[0], new)
    return page


def by_size(table: Path) -> str:
    """Top-1 in % of a source's test clips and of each target's, one number for each size: ``90, 91, 94``.

    ``table`` is a CSV of accuracy by size, with means in [0, 1].
    """
    tested = pd.read_csv(table, comment="#").query("split == 'test'")
    domains = TemporalShape().domains
    targets = list(tested["target"].unique())
    lines = [["test clips of", *(domain_name(domains, target) for target in targets)], ["---"] * (1 + len(targets))]
    for model, of_model in tested.groupby("model", sort=False):
        means = [of_model.loc[of_model["target"] == target, "mean"] for target in targets]
        lines.append([look_of(str(model)).label, *(", ".join(f"{100 * mean:.0f}" for mean in each) for each in means)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def with_count(page: str, trials: int, of: int) -> str:
    """The page with so many trials in ``24 of 72 trials``, wherever lines end."""
    return re.sub(rf"\b\d+(\s+of\s+{of}\s+trials\b)", rf"{trials}\1", page)


def refresh(sweep: Path) -> str:
    """Pack and write everything; returns what was done."""
    tasks = planned()
    entries = Ledger(Storage.at(sweep)).scan(tasks, whole=True)
    ids = whole_slices(tasks, [training_id for training_id, entry in entries.items() if entry.done])
    size = pack(Storage.at(sweep), REFERENCE, TemporalShape(), ids, planned=len(tasks), title=TITLE)
    with tempfile.TemporaryDirectory(prefix="rac_ray-") as scratch:
        folder = Path(scratch)
        unpack(REFERENCE, folder)
        for name in COUNTED:
            (ROOT / name).write_text(with_count((ROOT / name).read_text(), len(ids), len(tasks)))
        tables = sorted((folder / OUTPUTS / "tables").glob("figure[34]-*.md"))
        sizes = [f"accuracy-by-size-{source}.csv" for source in sorted({task.training.source for task in tasks})]
        compact = [by_size(folder / OUTPUTS / "tables" / name) for name in sizes]
        page = with_tables((ROOT / FINDINGS).read_text(), [*(_table(each.read_text()) for each in tables), *compact])
        (ROOT / FINDINGS).write_text(page)
        for drawn in re.findall(r"pictures/reference-([\w-]+\.png)", page):
            (PICTURES / f"reference-{drawn}").write_bytes((folder / OUTPUTS / "figures" / drawn).read_bytes())
        (PICTURES / "product.png").write_bytes(picture(folder / RECORDS, len(tasks)))
        wanted, out = Wanted(verdict=True), Storage.at(folder / "shown")
        shown = show(Storage.at(folder / RECORDS), out, wanted, lambda _: TemporalShape(), tasks, title=TITLE)
        screens(folder / "shown/report.html")
    return "\n".join([*shown.text, f"{len(ids)} of {len(tasks)} trials, {size:,} bytes"])


def screens(report: Path) -> None:
    """Pictures of a report's first screen in a light and in a dark system."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in SCHEMES:
            page = browser.new_page(viewport=SCREEN, color_scheme=scheme)
            page.goto(report.as_uri())
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"report-{scheme}.png")
        browser.close()


def _table(text: str) -> str:
    return TABLE.findall(text)[0]


if __name__ == "__main__":
    print(refresh(Path(sys.argv[1])))
