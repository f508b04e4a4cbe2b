"""``rac-ray doctor``: lines and JSON of the machine at hand, its exit codes, how long it takes."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_line_for_each_finding(rac_ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    code, out, err = rac_ray("doctor", "--storage", str(tmp_path / "results"), "--data", str(tmp_path / "data"))
    *lines, last = out.splitlines()
    levels = [line[:9].strip() for line in lines]
    assert set(levels) <= {"ok", "slow", "will fail"}
    fail, slow, ok = (levels.count(level) for level in ("will fail", "slow", "ok"))
    assert last == f"{len(lines)} findings: {fail} will fail, {slow} slow, {ok} ok"
    assert (code, err) == (1 if fail else 0, "")
    assert f"ok         storage          {tmp_path}/results can be written, " in out
    assert list(tmp_path.iterdir()) == []


def test_what_will_fail_is_exit_code_1_and_json_is_one_object(rac_ray, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = rac_ray("doctor", "--storage", str(tmp_path / "file/results"), "--json")
    assert err == ""
    found = json.loads(out)
    assert set(found) == {"will_fail", "slow", "findings", "facts"}
    assert code == 1
    assert found["will_fail"] >= 1
    assert {
        "what": "storage",
        "level": "will fail",
        "said": f"{tmp_path}/file/results cannot be written: Not a directory",
        "do": "Name another folder, or change its rights.",
    } in found["findings"]
    assert found["facts"]["folders"][0]["problem"] == "Not a directory"


def test_the_storage_comes_from_the_environment(rac_ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAC_RAY_STORAGE", str(tmp_path))
    _, out, _ = rac_ray("doctor", "--json")
    assert [folder["path"] for folder in json.loads(out)["facts"]["folders"]][:2] == [
        f"{tmp_path}/results",
        f"{tmp_path}/data",
    ]


def test_it_takes_less_than_two_seconds_of_a_core(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rac_ray.cli.command", "doctor"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
