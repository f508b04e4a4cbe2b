"""Names that people read: of domains and evaluation sets. Keys stay in files and options."""

from collections.abc import Mapping
from typing import NamedTuple

SPLITS = {"val": "validation"}
"""Names of splits, where they have another one than their key."""
OWN = ("source_val", "source_test")
"""Roles of the evaluation sets of the domain that was trained on."""


class DomainWords(NamedTuple):
    """How a domain is called, and what its clips show in about six words."""

    label: str
    looks: str = ""


Domains = Mapping[str, DomainWords]
"""By key, as in ``{"fog": DomainWords("Fog", "the same streets in thick fog")}``."""


UNNAMED: Domains = {}


def domain_name(domains: Domains, key: str) -> str:
    """What a domain is called; its key where its study gives it no name."""
    return domains[key].label if key in domains else key


def set_name(domains: Domains, target: str, split: str, role: str) -> str:
    """``Fog validation`` and ``Fog test`` of the source's own sets; other test sets have the name of their domain."""
    called = "" if split == "test" and role not in OWN else f" {SPLITS.get(split, split)}"
    return f"{domain_name(domains, target)}{called}"
