from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa

from rac_ray.ledger import Ledger
from rac_ray.storage import Storage
from rac_ray.sweep.monitor import Monitor


def test_one_line_per_event(tmp_path: Path, make_trial) -> None:
    ledger, lines = Ledger(Storage.at(tmp_path)), []
    trials = [make_trial(seed=seed) for seed in range(3)]
    done, failed, died = (SimpleNamespace(config={"trial": t.as_dict()}, error_file=None) for t in trials)
    monitor = Monitor(ledger, 4, 1, lines.append)
    monitor.on_trial_start(0, [], done)
    record = {"best_val_top1": 0.51, "best_epoch": 2, "epochs": 7, "seconds": {"total": 33.4}}
    ledger.finish(trials[0].trial_id, record, [{"epoch": 0}], pa.table({"a": [1]}), b"")
    monitor.on_trial_complete(0, [], done)
    ledger.fail(trials[1].trial_id, {"class": "code", "reason": "ValueError: no"})
    monitor.on_trial_complete(0, [], failed)
    monitor.on_trial_error(0, [], died)
    names = [f"timesformer1 h=4 2dot seed={seed}" for seed in range(3)]
    ids = [trial.trial_id for trial in trials]
    assert lines == [
        f"{ids[0]} start  {names[0]}",
        f"{ids[0]} done   {names[0]}: val top-1 0.510 in epoch 2 of 7, 33 s; 2/4 done, 0 failed, under 1 min left",
        f"{ids[1]} FAILED {names[1]}: ValueError: no (traceback: {tmp_path}/trials/{ids[1]}/failure-001.json)",
        f"{ids[2]} FAILED {names[2]}: the trial's process died (killed, out of memory, or its node was lost) "
        f"(traceback: {tmp_path}/trials/{ids[2]}/failure-001.json)",
    ]
    assert ledger.state(trials[2].trial_id) == "failed"
