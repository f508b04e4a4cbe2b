"""One self-contained HTML page of a sweep: opens from a disk, without network, and runs nothing that records say.

What comes from records is one block of JSON that the page's script turns into text nodes. A content security policy
allows the scripts written here, by their hashes, and nothing from elsewhere.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs

from rac_ray.results.claim_rows import ClaimRow
from rac_ray.results.opening import Opening
from rac_ray.results.report_clips import ClipSource
from rac_ray.results.report_data import NOTHING_SAID, payload
from rac_ray.results.sections import Section
from rac_ray.results.tables import Tables
from rac_ray.store.storage import Storage

__all__ = ["ClipSource", "Section", "write_report"]

REPORT = "report.html"
SCRIPTS = ("elements.js", "plots.js", "trials.js", "trial.js", "tables.js", "overview.js", "main.js")
"""Scripts in the order in which they are joined to one."""
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
UNSAFE_IN_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def numbered(classes: int) -> list[str]:
    """Classes that have no names."""
    return [str(number) for number in range(classes)]


def write_report(
    tables: Tables,
    folder: Storage,
    *,
    title: str,
    sections: Sequence[Section] = (),
    clips: ClipSource | None = None,
    refresh_seconds: int | None = None,
    class_names: Callable[[int], list[str]] = numbered,
    opening: Opening = NOTHING_SAID,
    claims: Sequence[ClaimRow] = (),
) -> str:
    """Write ``report.html`` into ``folder`` at once and return its address.

    ``opening`` is its first screen; ``claims`` and ``sections`` are its tables and figures. ``clips`` gives the frames
    of clips that are shown: one of each domain, and those that were misclassified; without it none are. With
    ``refresh_seconds`` an open page reloads itself: for sweeps that still run. ``class_names`` gives what so many
    classes are called. The same arguments give the same bytes.
    """
    data = payload(tables, title, sections, clips, refresh_seconds, class_names, opening, claims)
    return write_page(folder, REPORT, title, data, SCRIPTS, get_plotlyjs())


def write_page(
    folder: Storage, name: str, title: str, data: Mapping[str, Any], scripts: Sequence[str], plotly: str = ""
) -> str:
    """Write a page that these scripts make of ``data``, at once, and return its address; ``plotly`` is what they draw
    charts with."""
    folder.write_bytes(name, _page(title, {"title": title, **data}, scripts, plotly).encode())
    return folder.address(name)


def _page(title: str, data: Mapping[str, Any], scripts: Sequence[str], plotly: str) -> str:
    script = "\n".join(['"use strict";', *(_part(name) for name in scripts)])
    return _filled(
        _part("page.html"),
        {
            "policy": _policy(plotly, script),
            "title": html.escape(title),
            "style": _part("page.css"),
            "data": _json_for_html(data),
            "plotly": plotly,
            "script": script,
        },
    )


def _part(name: str) -> str:
    return files("rac_ray.results").joinpath("page", name).read_text(encoding="utf-8")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """``template`` with its ``{{names}}`` replaced in one pass: what is filled in is not looked at again."""
    return PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _policy(*scripts: str) -> str:
    """A policy: nothing is fetched, only ``scripts`` run, pictures are data URIs. Styles are free, for Plotly's."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json_for_html(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in; all beyond ASCII is escaped, U+2028 and U+2029 too."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&]", lambda found: UNSAFE_IN_HTML[found[0]], text)
