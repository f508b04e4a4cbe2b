"""The page of environment variables names those that the package reads, and no other one of its own."""

import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/environment.md").read_text()
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "rac_ray").rglob("*.py")))
OF_LIBRARIES = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "CUDA_VISIBLE_DEVICES", "WANDB_API_KEY", "AWS_ACCESS_KEY_ID"}
"""Read by Ray, torch and clients of services, whatever we do."""


def test_the_packages_own_are_all_there() -> None:
    named = set(re.findall(r"\bRAC_RAY_[A-Z_]+\b", SOURCES))
    assert len(named) >= 3
    assert named <= set(re.findall(r"^\| `([A-Z_]+)`", PAGE, re.MULTILINE))


def test_what_is_listed_is_read() -> None:
    listed = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", PAGE))
    assert {name for name in listed - OF_LIBRARIES if not re.search(rf"\b{name}\b", SOURCES)} == set()
    read = set(re.findall(r"environ\.get\(\"([A-Z_]+)\"", SOURCES))
    assert {"RAY_ADDRESS", "NUMBA_CACHE_DIR"} <= read
    assert read - listed == set()
