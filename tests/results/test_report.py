import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from rac_ray.errors import BadInput
from rac_ray.results import Tables, load
from rac_ray.results.report import write_report
from rac_ray.results.sections import Section
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from tests.results.many_trials import HOSTILE_REASON, HOSTILE_TRACEBACK, frames_of, sweep, without_results

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><g id="axes_1"><script>window.hacked=1</script></g></svg>'


def page(tables: Tables, folder: Path, **options: Any) -> str:
    address = write_report(tables, Storage.at(folder), title=options.pop("title", "A sweep"), **options)
    assert address == str(folder / "report.html")
    return Path(address).read_text()


def content(text: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return sweep()


def test_a_target_whose_clips_cannot_be_had_says_why_and_the_others_are_shown(tables: Tables, tmp_path: Path) -> None:
    def some(clip_id: str) -> NDArray[np.uint8]:
        if clip_id.startswith("5dot/"):
            raise BadInput("the folder is gone from https://user:word@host/x")
        return frames_of(clip_id)

    every, shown = (content(page(tables, tmp_path, clips=clips)) for clips in (frames_of, some))
    assert every["withoutClips"] == {}
    assert shown["withoutClips"] == {"5dot/test": "the folder is gone from https://***@host/x"}
    assert shown["mistakes"] == every["mistakes"]
    assert shown["clips"] == {name: gif for name, gif in every["clips"].items() if not name.startswith("5dot/")}


def test_without_a_clip_source_there_are_no_clips(tables: Tables, tmp_path: Path) -> None:
    shown = content(page(tables, tmp_path))
    assert (shown["mistakes"], shown["clips"]) == ({}, {})


def test_failed_attempts_are_listed_with_the_end_of_their_traceback(tables: Tables, tmp_path: Path) -> None:
    failures = content(page(tables, tmp_path))["failures"]
    assert [(row["class"], row["given_up"]) for row in failures] == [
        ("preempted", False),
        ("code", True),
        ("out of memory", True),
    ]
    assert failures[2]["traceback"].startswith("[...]\n")
    assert failures[2]["traceback"].endswith("MemoryError")
    assert len(failures[2]["traceback"]) < 4100


def test_what_records_say_cannot_become_markup(tables: Tables, tmp_path: Path) -> None:
    hostile = Section(HOSTILE_REASON, HOSTILE_TRACEBACK, pd.DataFrame({HOSTILE_REASON: ["\u2028</script>"]}), SVG)
    text = page(tables, tmp_path, title="{{script}}</title><script>1</script>", sections=[hostile])
    assert HOSTILE_REASON not in text
    assert HOSTILE_TRACEBACK not in text
    assert (text.count("<script>"), text.count("</script>")) == (2, 3)
    assert "\u2028" not in text
    assert "<title>{{script}}&lt;/title&gt;&lt;script&gt;1&lt;/script&gt;</title>" in text
    shown = content(text)
    assert HOSTILE_REASON in [row["reason"] for row in shown["failures"]]
    assert HOSTILE_TRACEBACK in shown["failures"][1]["traceback"]
    assert shown["sections"][0]["heading"] == HOSTILE_REASON
    assert shown["sections"][0]["table"] == {"columns": [HOSTILE_REASON], "rows": [["\u2028</script>"]]}
    assert base64.b64decode(shown["sections"][0]["svg"]).decode() == SVG


def test_the_policy_allows_the_scripts_written_here_and_nothing_else(tables: Tables, tmp_path: Path) -> None:
    text = page(tables, tmp_path)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == " ".join(f"'sha256-{each}'" for each in hashes)
    assert rules["img-src"] == "data:"
    assert "innerHTML" not in scripts[1]


def test_credentials_in_messages_are_blotted_out(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter3")
    text = page(tables, tmp_path)
    assert "hunter" not in text
    reasons = [row["reason"] for row in content(text)["failures"]]
    assert "GET s3://***@bucket/x?secret_key=***&region=eu failed" in reasons


def test_the_same_tables_give_the_same_bytes(tables: Tables, tmp_path: Path) -> None:
    section = Section("Verdicts", "", tables.trials.reindex(columns=["model", "seed"]), SVG)
    pages = [page(sweep(), tmp_path / name, sections=[section], clips=frames_of) for name in ("one", "two")]
    assert pages[0] == pages[1]


def test_a_sweep_without_results_has_a_page(tables: Tables, tmp_path: Path) -> None:
    shown = content(page(without_results(tables), tmp_path, clips=frames_of, refresh_seconds=30))
    assert shown["states"]["pending"] == len(shown["trials"]["rows"]) == 16
    assert (shown["evaluations"], shown["epochs"], shown["clips"], shown["failures"]) == ({}, {}, {}, [])
    assert shown["refreshSeconds"] == 30


def test_records_of_a_ledger_have_a_page(sweep_folder: Path, tmp_path: Path) -> None:
    shown = content(page(load(sweep_folder), tmp_path, clips=frames_of))
    assert shown["states"] == {"done": 6, "failed": 1, "running": 0, "pending": 1}
    assert [row["reason"] for row in shown["failures"]] == ["NotFinite: nan"]


def test_four_hundred_trials_stay_small(tmp_path: Path) -> None:
    spec = TemporalShapeSpec()

    def noisy(clip_id: str) -> NDArray[np.uint8]:
        return make_clip(spec, "mnist_bg", "test", int(clip_id[-6:])).frames

    sizes = (2, 4, 6, 8, 10, 12, 16, 24, 32, 48)
    targets = ("5dot", "mnist", "mnist_bg", "mnist_bg_half", "other", "another")
    many = sweep(sizes, (42, 61, 47, 53, 57), ("2dot", "5dots"), targets, clips=60, epochs=100)
    assert (len(many.trials), len(many.evaluations)) == (400, 396 * 8)
    text = page(many, tmp_path, clips=noisy)
    assert len(text.encode()) < 25e6
    assert len(content(text)["clips"]) == 6 * 40


def test_a_report_needs_neither_ray_nor_torch(sweep_folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from rac_ray.results import load; from rac_ray.results.report import write_report\n"
        "from rac_ray.store.storage import Storage\n"
        f"write_report(load({str(sweep_folder)!r}), Storage.at({str(tmp_path / 'out')!r}), title='A sweep')\n"
        "assert not {'ray', 'torch', 'pytorch_lightning'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
