"""One training in a process of its own, without Ray: ``python -m tests.sweep.fresh_trial SWEEP TRAINING DATA OUT``.

``OUT`` gets the best weights and, in the evaluations' order, all logits.
"""

import sys
import tempfile

import torch

from rac_ray.data.feed import Opening
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.manifest import read_split
from rac_ray.identity import Training
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import DIRECTIONS
from rac_ray.studies.temporal_shape.study import subject_of
from rac_ray.training.evaluate import predict
from rac_ray.training.fit import fit


def main() -> None:
    sweep, training_id, data, out = sys.argv[1:]
    torch.set_num_threads(1)
    training = Training.from_dict(Ledger(Storage.at(sweep)).trial(training_id))
    direction, device, recipe = DIRECTIONS[training.source], torch.device("cpu"), training.recipe
    subject = subject_of(training.model, training.hidden_units, direction, Storage.at(data))
    clips = {part: read_split(Storage.at(data), part) for part in direction.parts}
    feeds = ClipFeeds(subject, Opening(training.seed, recipe.batch_size, clips=clips))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Storage.at(scratch)
        result = fit(subject.build, recipe, training.seed, feeds.train(), feeds.val(), folder, device=device)
    said = [predict(result.model, feeds.asked(part).batches, device=device) for part in direction.evaluations]
    logits = [torch.from_numpy(each) for each in said]
    torch.save({"weights": result.model.state_dict(), "logits": torch.cat(logits)}, out)


if __name__ == "__main__":
    main()
