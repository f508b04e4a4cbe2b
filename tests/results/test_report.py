import base64
import hashlib
import io
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
from PIL import Image

from rac_ray.errors import BadInput
from rac_ray.results import Tables, load
from rac_ray.results.report import Section, write_report
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.studies.temporal_shape.results import shape_names
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


def test_every_trial_has_a_row_with_its_figures(tables: Tables, tmp_path: Path) -> None:
    shown = content(page(tables, tmp_path))
    assert (shown["title"], shown["stamp"], shown["refreshSeconds"]) == ("A sweep", tables.stamp, None)
    assert shown["states"] == {"done": 12, "failed": 2, "running": 1, "pending": 1}
    labels = [column["label"] for column in shown["trials"]["columns"]]
    assert labels == [
        "trial", "state", "model", "hidden units", "source", "seed", "parameters", "best epoch", "best val",
        "5dot", "mnist", "mnist_bg", "5dot", "mnist", "mnist_bg", "seconds", "reason",
    ]  # fmt: skip
    rows = shown["trials"]["rows"]
    assert [row[0] for row in rows] == tables.trials["trial_id"].tolist()
    first = tables.evaluations.query("trial_id == '000000000000' and target == 'mnist'").iloc[0]
    assert rows[0][:8] == ["000000000000", "done", "convlstm", 2, "2dot", 42, 1573, 3]
    assert rows[0][10] == pytest.approx(first["top1"])
    assert rows[0][13] == pytest.approx(first["robustness_ratio"], rel=1e-5)
    assert rows[-1][1:6] == ["pending", "timesformer8", 4, "2dot", 61]
    assert rows[-1][6:] == [None] * 10 + ["has not run"]


def test_a_trial_page_has_recipe_record_curves_and_confusion(tables: Tables, tmp_path: Path) -> None:
    shown = content(page(tables, tmp_path))
    details = shown["details"]
    values = dict(zip(details["recipe"] + details["record"], details["rows"]["000000000000"], strict=True))
    assert (values["learning_rate"], values["patience"], values["commit"]) == (0.001, 10, "0123456789ab")
    assert shown["epochs"]["000000000000"]["epoch"] == [0, 1, 2, 3, 4, 5]
    assert len(shown["epochs"]["000000000000"]["train_loss"]) == 6
    own = tables.predictions.query("trial_id == '000000000000' and target == 'mnist'")
    expected = np.zeros((5, 5), int)
    np.add.at(expected, (own["label"], own["predicted"]), 1)
    evaluation = next(each for each in shown["evaluations"]["000000000000"] if each["target"] == "mnist")
    assert evaluation["confusion"] == expected.tolist()
    assert evaluation["correct"] == np.trace(expected)
    assert shown["labels"] == ["0", "1", "2", "3", "4"]
    assert content(page(tables, tmp_path, class_names=shape_names))["labels"][1] == "spiral"


def test_provenance_lists_distinct_values(tables: Tables, tmp_path: Path) -> None:
    trials = tables.trials.copy()
    trials.loc[0, "host"] = "there"
    made = {
        each["label"]: each["values"] for each in content(page(_with(tables, trials=trials), tmp_path))["provenance"]
    }
    assert made["hosts"] == [["here", 11], ["there", 1]]
    assert made["about the data"] == [["digits=optdigits", 16]]
    assert made["git commit"] == [["0123456789ab", 12]]


def test_the_worst_mistakes_of_the_first_clips_are_shown_and_embedded_once(tables: Tables, tmp_path: Path) -> None:
    shown = content(page(tables, tmp_path, clips=frames_of))
    worst = shown["mistakes"]["000000000000"]
    assert set(worst) == {"5dot/test", "mnist/test", "mnist_bg/test"}
    assert all(len(rows) == 3 for rows in worst.values())
    wrong = "target == 'mnist' and label != predicted and clip_id < 'mnist/test/000040'"
    own = tables.predictions.query(f"trial_id == '000000000000' and {wrong}")
    logits = np.stack(own["logits"].to_list()).astype(float)
    softmax = np.exp(logits).max(axis=1) / np.exp(logits).sum(axis=1)
    best = own["clip_id"].to_numpy()[np.argsort(-softmax)[:3]]
    assert [row["clip"] for row in worst["mnist/test"]] == best.tolist()
    assert worst["mnist/test"][0]["confidence"] == pytest.approx(softmax.max(), abs=1e-4)
    named = {row["clip"] for sets in shown["mistakes"].values() for rows in sets.values() for row in rows}
    assert set(shown["clips"]) == named
    assert len(named) <= 3 * 40


def test_a_clip_is_an_animation_of_its_frames(tables: Tables, tmp_path: Path) -> None:
    clip_id, encoded = next(iter(content(page(tables, tmp_path, clips=frames_of))["clips"].items()))
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert (image.format, image.size, getattr(image, "n_frames", 1)) == ("GIF", (64, 64), 20)
    image.seek(7)
    np.testing.assert_allclose(np.asarray(image.convert("L"), int), frames_of(clip_id)[7], atol=8)


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


def test_tables_of_sections_keep_a_named_index(tables: Tables, tmp_path: Path) -> None:
    wide = tables.evaluations.pivot_table("top1", "model", ["target", "split"], sort=False)
    table = content(page(tables, tmp_path, sections=[Section("Means", "", wide)]))["sections"][0]["table"]
    assert table["columns"][:2] == ["model", "2dot val"]
    assert {row[0] for row in table["rows"]} == set(tables.evaluations["model"])


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


def _with(tables: Tables, **frames: pd.DataFrame) -> Tables:
    return Tables(**{**vars(tables), **frames})
