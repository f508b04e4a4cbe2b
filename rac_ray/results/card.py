"""A card: Markdown below the YAML that Hugging Face reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rac_ray.results.study_facts import Licence

TASK = "video-classification"


def card(front: Mapping[str, Any], body: Sequence[str]) -> bytes:
    """The file ``README.md`` of a card; what is empty in ``front`` is left out."""
    import yaml

    told = {name: value for name, value in front.items() if value not in ("", [], {}, None)}
    head = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1000)
    text = "\n".join(body).strip()
    return f"---\n{head}---\n\n{text}\n".encode()


def licence_of(licence: Licence) -> dict[str, str]:
    """The fields of a licence in the front matter."""
    return {"license": licence.name, "license_name": licence.title, "license_link": licence.link}


def section(title: str, lines: Iterable[str]) -> list[str]:
    """A heading and what stands below it; nothing where nothing does."""
    found = "\n".join(lines).strip()
    return [f"## {title}", "", found, ""] if found else []


def bullets(sentences: Iterable[str]) -> list[str]:
    """A list of sentences."""
    return [f"- {sentence}" for sentence in sentences]


def number(value: float) -> float:
    """A number for the front matter: the last digits of a float differ between processors."""
    return float(f"{value:.10g}")
