"""The commands and snippets that readers find on our pages."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md", "docs/sweeps.md", "docs/settings.md", "docs/results.md", "docs/report.md", "docs/temporal-shape.md",
    "docs/diving48.md", "docs/clusters.md", "docs/extending.md", "docs/speed.md", "docs/models.md",
    "docs/workstation.md",
)  # fmt: skip
"""Those whose commands are run from here, in the order in which they are read."""


def blocks(page: str, language: str) -> list[str]:
    """Code of a page in some language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


COMMANDS = list(dict.fromkeys(line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()))
SEGMENTATION = [command for command in COMMANDS if command.startswith("python sweeps/segment_divers.py ")]
DIVES = [command for command in COMMANDS if command.startswith("python sweeps/diving48.py ")]
