"""Simulated sweeps against what can be worked out by hand."""

from dataclasses import replace

import pytest

from benchmarks.simulation import Outcome, Simulation, Site, Times
from rac_ray.identity import Recipe, Training
from rac_ray.sweep.failures import Budgets

INSTANT = Times(driver=0.0)
DONE = {"done": 0, "failed": 0, "running": 0, "pending": 0, "unreached": 0}


def trainings_of(count: int) -> list[Training]:
    return [Training("cnn3d", 2, "2dot", seed, Recipe(precision="32"), "data") for seed in range(count)]


def simulated(seconds: list[float], site: Site, times: Times = INSTANT, **options: object) -> Outcome:
    trainings = trainings_of(len(seconds))
    work = {training.training_id: each for training, each in zip(trainings, seconds, strict=True)}
    return Simulation(trainings, work, site, times, **options).run()  # type: ignore[arg-type]


@pytest.mark.parametrize(("trials", "slots", "rounds"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (7, 8, 1), (100, 8, 13)])
def test_equal_trials_come_in_rounds(trials: int, slots: int, rounds: int) -> None:
    found = simulated([10.0] * trials, Site(nodes=slots))
    assert found.makespan == 10.0 * rounds
    assert found.states == {**DONE, "done": trials}
    assert found.busy == pytest.approx(trials / (rounds * slots))
    assert (found.lost, found.longest) == (0, 10.0)


def test_the_longest_trials_run_first() -> None:
    """10 beside 1 + 4 + 5; in their given order 1, 4 and 5 would come before, and the end after 14 seconds."""
    assert simulated([1.0, 4.0, 5.0, 10.0], Site(nodes=2)).makespan == 10.0


def test_start_of_driver_process_and_trial() -> None:
    """The second trial of a process does not start one."""
    times = Times(driver=5.0, process=3.0, trial=1.0)
    found = simulated([10.0, 10.0, 10.0], Site(nodes=2), times)
    assert found.makespan == 5.0 + 3.0 + 2 * (1.0 + 10.0)
    assert found.busy == pytest.approx(30.0 / (2 * found.makespan))


def test_money_is_for_nodes_that_are_up_and_for_the_head() -> None:
    found = simulated([3600.0] * 4, Site(nodes=2, price=10.0, head_price=0.5))
    assert found.node_seconds == 2 * 7200
    assert found.cost == pytest.approx(2 * 2 * 10.0 + 2 * 0.5)


def test_gpus_are_shared_as_packing_says() -> None:
    """A class that was not measured gets a whole GPU; by number, four share one."""
    site = Site(nodes=1, gpus=2, cpus=16, gpu_memory=40e9)
    assert simulated([10.0] * 8, site).makespan == 40.0
    assert simulated([10.0] * 8, site, trials_per_gpu=4).makespan == 10.0
    assert simulated([10.0] * 8, site, peaks={"cnn3d h=2": 1e9}).makespan == 10.0
    assert simulated([10.0] * 2, Site(nodes=1, gpus=2, cpus=16), peaks={"cnn3d h=2": 1e9}).busy == 1.0


def test_a_cluster_that_grows_boots_what_the_trials_need_and_no_more() -> None:
    site = Site(nodes=10, gpus=2, cpus=16, grows=True, boot_seconds=100.0, idle_seconds=50.0, price=3600.0)
    found = simulated([10.0] * 6, site, trials_per_gpu=1)
    assert found.makespan == 110.0
    assert found.node_seconds == 3 * 110.0
    assert found.cost == pytest.approx(3 * 110.0)
    assert simulated([10.0] * 6, replace(site, nodes=1), trials_per_gpu=1).makespan == 130.0


def test_an_idle_node_ends() -> None:
    """One trial of 1,000 seconds and one of 10 on nodes of their own: the second node stays 50 seconds more."""
    site = Site(nodes=2, gpus=1, cpus=8, grows=True, boot_seconds=100.0, idle_seconds=50.0)
    found = simulated([1000.0, 10.0], site, trials_per_gpu=1)
    assert found.makespan == 1100.0
    assert found.node_seconds == 1100.0 + (100.0 + 10.0 + 50.0)


def test_a_lost_node_costs_what_was_done_since_the_checkpoint() -> None:
    """The only node is lost at a time that the seed fixes; another boots, and the trial goes on."""
    site = Site(nodes=1, losses_per_hour=0.3, boot_seconds=60.0, notice_seconds=5.0)
    trainings = trainings_of(1)
    work = {trainings[0].training_id: 7200.0}
    found = Simulation(trainings, work, site, Times(driver=0.0, checkpoint=600.0), seed=4).run()
    assert found.states == {**DONE, "done": 1}
    assert found.lost >= 1
    again = found.busy * found.node_seconds - 7200.0
    assert 0 <= again < 600.0 * found.lost
    exact = Simulation(trainings, work, site, Times(driver=0.0, checkpoint=1e-6), seed=4).run()
    assert exact.busy * exact.node_seconds == pytest.approx(7200.0, abs=0.01)
    assert exact.makespan <= found.makespan


def test_a_trial_is_given_up_when_its_budget_is_spent() -> None:
    site = Site(nodes=1, losses_per_hour=360.0)
    found = simulated([1e6], site, Times(driver=0.0, checkpoint=1e9))
    assert found.states == {**DONE, "failed": 1}
    assert found.lost == Budgets().preempted + 1


def test_a_seed_makes_the_same_sweep() -> None:
    site = Site(nodes=3, losses_per_hour=20.0, boot_seconds=30.0)
    seconds = [100.0 + 7 * each for each in range(20)]
    first, second, other = (simulated(seconds, site, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other
    assert first.states == other.states == {**DONE, "done": 20}


def test_more_nodes_are_never_slower() -> None:
    seconds = [50.0 + 13 * (each % 9) for each in range(60)]
    spans = [simulated(seconds, Site(nodes=nodes)).makespan for nodes in (1, 2, 4, 8, 64)]
    assert spans == sorted(spans, reverse=True)
    assert spans[-1] == max(seconds)
    assert all(0 < simulated(seconds, Site(nodes=nodes)).busy <= 1 for nodes in (1, 3, 61))
