"""Shares of a machine, from measured memory; half as many after memory ran out."""

import math
from dataclasses import replace

import pytest

from rac_ray.data.ahead import READING_CPUS
from rac_ray.errors import BadInput
from rac_ray.sweep.packing import CONTEXT_BYTES, HEADROOM, KEPT_FREE, MOST_PER_GPU, WAITING, Machine, Packing

SMALL, LARGE = "timesformer1 h=2", "convlstm h=48"
GPUS = Machine(cpus=64, gpus=8, memory=512e9, gpu_memory=40e9)
CPUS = Machine(cpus=8, memory=16e9)


def test_on_a_gpu_the_measured_peak_decides() -> None:
    peak = (40e9 / HEADROOM / 3 - CONTEXT_BYTES) / HEADROOM
    packing = Packing(GPUS, peaks={SMALL: 1e8, LARGE: peak})
    assert packing.per_gpu(SMALL) == MOST_PER_GPU
    assert packing.per_gpu(LARGE) == 3
    assert packing.resources(LARGE) == {"CPU": 1, "GPU": pytest.approx(1 / 3)}
    assert packing.at_once(LARGE) == 24
    assert packing.per_gpu("cnn3d h=8") == 1, "a class that was not measured gets a whole GPU"


def test_a_gpu_takes_no_more_trials_than_it_has_cores() -> None:
    assert Packing(Machine(4, 2, 0, 40e9), peaks={SMALL: 1e8}).per_gpu(SMALL) == 2


def test_a_given_number_is_taken() -> None:
    packing = Packing(GPUS, trials_per_gpu=4)
    assert packing.resources(SMALL) == {"CPU": 1, "GPU": 0.25}
    assert packing.at_once(SMALL) == 32


def test_memory_that_ran_out_halves_the_packing_of_that_class_alone() -> None:
    packing = Packing(GPUS, trials_per_gpu=4)
    found = []
    for _ in range(4):
        packing.lower(LARGE)
        found.append(packing.per_gpu(LARGE))
    assert found == [2, 1, 1, 1]
    assert packing.per_gpu(SMALL) == 4


def test_on_cpus_memory_is_asked_for_only_where_cores_let_too_many_in() -> None:
    assert Packing(CPUS, peaks={SMALL: 1e9}).resources(SMALL) == {"CPU": 1}
    packing = Packing(CPUS, peaks={SMALL: 1e9, LARGE: 3e9})
    assert packing.resources(LARGE) == {"CPU": 1, "memory": 2**32}
    assert packing.resources(SMALL) == {"CPU": 1, "memory": 2**31}
    assert packing.at_once(LARGE) == 3
    assert Packing(Machine(8), peaks={LARGE: 3e9}).resources(LARGE) == {"CPU": 1}


def test_memory_that_ran_out_on_cpus() -> None:
    packing = Packing(CPUS, peaks={SMALL: 1e9})
    packing.lower(SMALL)
    assert packing.at_once(SMALL) == 3
    for _ in range(5):
        packing.lower(SMALL)
    assert packing.at_once(SMALL) == 1
    packing.require(SMALL)


def test_cores_per_trial() -> None:
    packing = Packing(CPUS, cpus_per_trial=3)
    assert packing.resources(SMALL) == {"CPU": 3}
    assert packing.at_once(SMALL) == 2
    assert packing.share(SMALL) == pytest.approx(3 / 8)


def test_worker_groups() -> None:
    packing = Packing(GPUS, workers=4)
    assert packing.resources(SMALL) == WAITING
    assert packing.per_worker() == {"CPU": 1, "GPU": 1}
    assert packing.whole(SMALL) == {"CPU": 4, "GPU": 4}
    assert packing.at_once(SMALL) == 2
    assert Packing(Machine(2), workers=2).at_once(SMALL) == Packing(Machine(3), workers=2).at_once(SMALL) == 1
    assert not packing.elastic
    assert Packing(GPUS, workers=4, fewest=2).elastic
    reading = Packing(GPUS, workers=4, cpus_besides=1)
    assert reading.per_worker() == {"CPU": 1 + KEPT_FREE, "GPU": 1}
    assert reading.whole(SMALL)["CPU"] == packing.whole(SMALL)["CPU"] + 4 * KEPT_FREE + 1


def test_what_reads_clips_beside_a_trial_counts_and_is_not_asked_for() -> None:
    """Its tasks ask Ray themselves; a trial that took their CPUs would wait for them for ever."""
    reading = Packing(Machine(4), cpus_besides=READING_CPUS)
    assert reading.resources(SMALL) == {"CPU": 1 + KEPT_FREE}
    assert reading.whole(SMALL) == {"CPU": 1 + KEPT_FREE + READING_CPUS}
    assert reading.at_once(SMALL) == 2
    assert reading.limits
    assert not Packing(Machine(4)).limits
    with pytest.raises(BadInput, match=r"needs 2.001 CPUs, the cluster has 1 CPUs"):
        Packing(Machine(1), cpus_besides=1).require(SMALL)


def test_trials_whose_clips_are_read_leave_a_core_of_every_node() -> None:
    """However many find room when a node is lost; where nodes have but the cores of one trial, it takes them."""
    reading = Packing(Machine(64, node_cpus=32), cpus_besides=READING_CPUS)
    asked = reading.resources(SMALL)["CPU"]
    assert int(32 / asked) == 31
    assert 32 - 31 * asked > READING_CPUS
    assert Packing(Machine(4, node_cpus=1), cpus_besides=READING_CPUS).resources(SMALL) == {"CPU": 1}


def test_a_group_that_may_shrink_runs_where_only_a_part_of_it_fits() -> None:
    packing = Packing(Machine(3), workers=4, fewest=2)
    assert packing.at_once(SMALL) == 1
    packing.require(SMALL)
    with pytest.raises(BadInput, match=r"one training with --workers 3 .* needs 3 CPUs, the cluster has 2 CPUs"):
        Packing(Machine(2), workers=4, fewest=3).require(SMALL)


def test_gpus_are_not_shared_while_others_would_be_idle() -> None:
    for trials, shared in ((400, MOST_PER_GPU), (16, 2), (9, 2), (8, 1), (1, 1)):
        assert Packing(GPUS, peaks={SMALL: 1e8}, trials=trials).per_gpu(SMALL) == shared
    assert Packing(GPUS, trials_per_gpu=4, trials=8).per_gpu(SMALL) == 4


def test_a_trial_that_does_not_fit_is_named() -> None:
    sentence = r"one training with --workers 3 and --cpus-per-trial 1 needs 3 CPUs, the cluster has 2 CPUs"
    with pytest.raises(BadInput, match=sentence):
        Packing(Machine(2), workers=3).require(SMALL)
    with pytest.raises(BadInput, match=r"needs 9 CPUs, the cluster has 8 CPUs"):
        Packing(CPUS, cpus_per_trial=9).require(SMALL)


def test_a_machine_from_rays_words() -> None:
    head, worker = {"CPU": 8.0, "memory": 1e10, "node:10.0.0.1": 1.0}, {"CPU": 96.0, "GPU": 8.0, "memory": 1e12}
    assert Machine.of([head, worker]) == Machine(104, 8, 1.01e12, node_cpus=96, node_memory=1e12)
    assert Machine.of([head, worker], num_cpus=100, num_gpus=8) == Machine.of([head, worker])
    assert Machine.of([{"CPU": 2}]) == Machine(2, node_cpus=2, node_memory=0)


def test_a_cluster_that_grows_is_packed_as_it_will_be() -> None:
    head = {"CPU": 8.0, "memory": 1e10}
    grown = Machine.of([head], num_gpus=16)
    assert grown == Machine(8 + 16 * 8, 16, grows=True)
    packing = Packing(replace(grown, gpu_memory=80e9), peaks={SMALL: 2e9})
    assert packing.resources(SMALL) == {"CPU": 1, "GPU": 1 / 8}
    assert packing.at_once(SMALL) == 128
    assert Machine.of([head], num_cpus=64) == Machine(64, grows=True)


def test_nothing_asks_for_more_than_the_largest_node_has() -> None:
    """Four nodes of two cores and 4 GB: memory for three trials of 4 GB is there, but on no one node for one of 8."""
    packing = Packing(Machine.of([{"CPU": 2, "memory": 4e9}] * 4), peaks={LARGE: 3.2e9})
    packing.lower(LARGE)
    assert packing.resources(LARGE)["memory"] == 4e9
    with pytest.raises(BadInput, match=r"--cpus-per-trial is 3; valid: up to the 2 CPUs of the largest node"):
        Packing(packing.machine, cpus_per_trial=3).require(SMALL)


def test_a_stack_takes_the_memory_of_all_its_seeds() -> None:
    packing = Packing(replace(GPUS, gpu_memory=80e9), peaks={SMALL: 10e9}, stack=3)
    assert (packing.members(SMALL), packing.per_gpu(SMALL)) == (3, 1)
    packing.lower(SMALL)
    assert (packing.members(SMALL), packing.members(LARGE)) == (1, 3)
    few = Packing(replace(GPUS, gpu_memory=80e9), peaks={SMALL: 1e9}, stack=5, trials=20)
    assert few.per_gpu(SMALL) == math.ceil(20 / 5 / GPUS.gpus)


def test_trials_with_graphs_share_no_gpu_by_themselves() -> None:
    """Measured: two to eight of them together are slower than one (benchmarks/RESULTS.md)."""
    packing = Packing(GPUS, peaks={SMALL: 1e8}, graphs=True)
    assert packing.per_gpu(SMALL) == 1
    assert Packing(GPUS, trials_per_gpu=4, peaks={SMALL: 1e8}, graphs=True).per_gpu(SMALL) == 4
