"""What comes of the verbs that change something: exit codes, lines for people, and JSON that can be read again."""

import json
from typing import Any

import pytest

from rac_ray.store.merging import Merged
from rac_ray.sweep.acts import Cancelled, Cleaned, Submitted, TakenIn
from rac_ray.sweep.jobs import SubmittedJob
from rac_ray.sweep.outcomes import Outcome, as_text

JOB = SubmittedJob("http://head:8265", "grid-1", "python grid.py", "2026-01-01T00:00:00Z")
MERGED = Merged(("a",), {"b": 2}, ("c",), {"d": "top1 differs"}, {"e": "its id is another one"})
WITH_WEIGHTS = Merged((), {"b": 2}, ("c",), {}, {}, ("b", "c"))


@pytest.mark.parametrize(
    ("outcome", "code", "lines"),
    [
        (Cancelled(None, True), 0, ["no driver runs"]),
        (Cancelled("me", True), 0, ["me has stopped"]),
        (Cancelled("me", False), 1, ["me does not answer"]),
        (Cancelled("me", False, "grid-1"), 0, ["me has stopped", "job grid-1 was told to stop"]),
        (Cancelled(None, True, "grid-1"), 0, ["no driver runs", "job grid-1 was told to stop"]),
        (Cleaned({}, 0, False), 0, ["0 files, 0.0 MB to free; `clean --yes` does it"]),
        (
            Cleaned({"b/log.txt": 1_500_000, "a/last.ckpt": 20_000_000}, 21_500_000, True),
            0,
            ["   20.000 MB  a/last.ckpt", "    1.500 MB  b/log.txt", "2 files, 21.5 MB freed"],
        ),
        (
            Submitted(JOB, "python grid.py status"),
            0,
            ["submitted grid-1 to http://head:8265", "watch it with: python grid.py status"],
        ),
        (
            TakenIn("theirs", "ours", MERGED),
            1,
            [
                "REFUSED e: its id is another one",
                "kept ours d: top1 differs",
                "b: 2 more evaluations",
                "1 finished training came from theirs to ours; with more evaluations: 1, here already: 1, "
                "different: 1, refused: 1",
            ],
        ),
        (
            TakenIn("theirs", "ours", WITH_WEIGHTS),
            0,
            [
                "b: 2 more evaluations",
                "weights of 2 trainings came that had none here",
                "0 finished trainings came from theirs to ours; with more evaluations: 1, here already: 1, "
                "different: 0, refused: 0",
            ],
        ),
    ],
)
def test_what_people_read(outcome: Outcome, code: int, lines: list[str]) -> None:
    assert (outcome.code, as_text(outcome, as_json=False).splitlines()) == (code, lines)


@pytest.mark.parametrize(
    ("outcome", "value"),
    [
        (Cancelled("me", False, "grid-1"), {"driver": "me", "stopped": False, "job_stopped": True}),
        (Cleaned({"a": 3, "b": 4}, 7, True), {"files": {"a": 3, "b": 4}, "bytes": 7, "freed": 7}),
        (Submitted(JOB, "x"), JOB.as_dict()),
        (
            TakenIn("theirs", "ours", WITH_WEIGHTS),
            {
                **{"source": "theirs", "folder": "ours", "copied": [], "added": {"b": 2}, "same": ["c"]},
                **{"kept": {}, "refused": {}, "weights": ["b", "c"]},
            },
        ),
    ],
)
def test_what_programs_read(outcome: Outcome, value: dict[str, Any]) -> None:
    assert json.loads(as_text(outcome, as_json=True)) == value
    assert "\n" not in as_text(outcome, as_json=True, indent=None)


def test_what_is_refused_decides_the_exit_code() -> None:
    assert TakenIn("theirs", "ours", Merged(("a",), {}, (), {"d": "top1 differs"}, {})).code == 0
