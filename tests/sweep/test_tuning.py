"""How many trials Ray sees ahead of room for them; runs themselves are in test_runner, test_load and test_faults."""

from dataclasses import replace

import pytest

from rac_ray.identity import Training
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.queue import Queue
from rac_ray.sweep.tuning import MOST_SHOWN, shown_ahead


@pytest.fixture
def trainings(make_training) -> list[Training]:
    """Of two kinds."""
    return [make_training(model, seed=seed) for model in ("cnn3d", "convlstm") for seed in range(3)]


def shown(trainings: list[Training], packing: Packing) -> int:
    return shown_ahead(Queue({each.training_id: "pending" for each in trainings}, trainings, packing))


def test_a_machine_that_does_not_grow_sees_one_trial_ahead(trainings: list[Training]) -> None:
    assert shown(trainings, Packing(Machine(64))) == 1


def test_a_cluster_that_grows_sees_as_many_as_it_will_hold(trainings: list[Training]) -> None:
    grown = Machine(64, grows=True)
    assert shown(trainings, Packing(grown)) == 64
    assert shown(trainings, Packing(grown, cpus_per_trial=4)) == 16
    assert shown(trainings, Packing(replace(grown, cpus=100_000))) == MOST_SHOWN


def test_the_kind_of_which_most_fit_counts(trainings: list[Training]) -> None:
    """A kind that ran out of memory is packed more loosely, but the other one still fills the cluster."""
    kinds = [trainings[0].kind, trainings[-1].kind]
    packing = Packing(Machine(128, 16, gpu_memory=80e9, grows=True), peaks=dict.fromkeys(kinds, 2e9))
    packing.lower(kinds[0])
    assert [packing.at_once(kind) for kind in kinds] == [64, 128]
    assert shown(trainings, packing) == 128
    assert shown(trainings[:3], packing) == 64
