"""One trial in a process of its own, without Ray: ``python -m tests.sweep.fresh_trial SWEEP TRIAL DATA OUT``.

``OUT`` gets the best weights and, in the evaluations' order, all logits.
"""

import sys
import tempfile

import torch

from rac_ray.data.manifest import read_split
from rac_ray.data.temporal_shape import DIRECTIONS
from rac_ray.identity import Trial
from rac_ray.storage import Storage
from rac_ray.training.evaluate import predict
from rac_ray.training.fit import fit


def main() -> None:
    sweep, trial_id, data, out = sys.argv[1:]
    torch.set_num_threads(1)
    trial = Trial.from_dict(Storage.at(sweep).below("trials").below(trial_id).read_json("trial.json"))
    direction, device = DIRECTIONS[trial.source], torch.device("cpu")
    clips = {part: read_split(Storage.at(data), part) for part in direction.parts}
    val = next(part for part, role in direction.evaluations.items() if role == "source_val")
    with tempfile.TemporaryDirectory() as scratch:
        result = fit(trial, clips[direction.train], clips[val], Storage.at(scratch), device=device)
    predictions = predict(result.model, {part: clips[part] for part in direction.evaluations}, device=device)
    logits = [torch.from_numpy(each.logits) for each in predictions]
    torch.save({"weights": result.model.state_dict(), "logits": torch.cat(logits)}, out)


if __name__ == "__main__":
    main()
