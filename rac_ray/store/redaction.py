"""Credentials blotted out of text that people will read: reasons, tracebacks and log lines of failed trials."""

import re
from typing import Any

NAMES = (
    r"(?:access[_-]?key(?:[_-]?id)?|account[_-]?key|api[_-]?key|secret|token|password|passwd|pwd|signature|credential"
    r"|authorization)[\w-]*"
)
TO_VALUE = r"\\?[\"']?\s*[=:]\s*\\?[\"']?"
PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), "***"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE), r"\1***@"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(rf"({NAMES}{TO_VALUE})(?!\s*(?:Bearer|Basic)\b)[^\s&'\",;}}\]\\]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"([?&;]sig=)[^\s&'\"]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "***"),
    (re.compile(r"\b(?:gh[pousr]_|hf_|github_pat_)\w{16,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "***"),
)
"""Private keys; users and passwords of addresses; HTTP headers; values by their names, in queries, settings and JSON;
Azure's signatures; AWS key ids; tokens that are known by how they begin."""


def without_credentials(value: Any) -> Any:
    """``value`` with what looks like a credential replaced by ``***`` in its text, inside of lists and mappings, too.

    By looks only: a secret that stands without its name, and looks like any other word, stays.
    """
    if isinstance(value, str):
        for pattern, replacement in PATTERNS:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {name: without_credentials(each) for name, each in value.items()}
    return [without_credentials(each) for each in value] if isinstance(value, list | tuple) else value
