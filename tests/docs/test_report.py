"""docs/report.md: its snippet is what a study says, its command is one of ours, its pictures are there."""

import re
from pathlib import Path

from rac_ray.results.names import DomainWords, domain_name
from rac_ray.studies.study import Study

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/report.md").read_text()


def test_the_snippet_is_what_a_study_says() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    said: dict[str, object] = {}
    exec(snippet, said)
    assert {"question", "domains"} <= set(said) & set(vars(Study))
    assert said["domains"] == {"fog": DomainWords("Fog", "the same streets in thick fog")}
    assert domain_name({"fog": DomainWords("Fog")}, "fog") == "Fog"


def test_pictures_are_there() -> None:
    names = re.findall(r"\]\((pictures/[^)]*)\)", PAGE)
    assert len(names) == 2
    assert all((ROOT / "docs" / name).stat().st_size > 10_000 for name in names)
