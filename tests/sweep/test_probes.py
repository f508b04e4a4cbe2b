"""Probes as they are kept; a real one is in tests/test_verbs.py."""

from pathlib import Path

import pytest

from rac_ray.store.storage import Storage
from rac_ray.sweep.probes import known_probes, remember_probes
from rac_ray.training.probe import Probe

PROBE = Probe("timesformer1 h=2", 8, 8, 0.5, 0.25, 700_000_000, "cpu", "0123")


def test_probes_are_kept_by_machine(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    remember_probes(storage, "here", {("timesformer1 h=2", 8, "0123"): PROBE})
    assert known_probes(storage, "here") == {("timesformer1 h=2", 8, "0123"): PROBE}
    assert known_probes(storage, "another machine") == {}


@pytest.mark.parametrize("content", [b"", b"\xff", b"7", b"[]", b'{"here": 7}', b'{"here": [{}, 7, {"kind": "a"}]}'])
def test_what_is_no_probe_is_left_out_and_replaced(content: bytes, tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    storage.write_bytes("probes.json", content)
    assert known_probes(storage, "here") == {}
    for device in ("here", "there"):
        remember_probes(storage, device, {("timesformer1 h=2", 8, "0123"): PROBE})
    assert set(storage.read_json("probes.json")) == {"here", "there"}
    assert known_probes(storage, "here") == {("timesformer1 h=2", 8, "0123"): PROBE}


def test_one_damaged_probe_leaves_the_others(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    changes = [{"peak_bytes": "many"}, {"peak_bytes": 10**30}, {"batch_size": 0}, {"seconds_per_eval_clip": 1e300}]
    damaged = [{**PROBE.as_dict(), "kind": "other", **change} for change in changes]
    storage.write_json("probes.json", {"here": [PROBE.as_dict(), *damaged]})
    assert known_probes(storage, "here") == {("timesformer1 h=2", 8, "0123"): PROBE}
