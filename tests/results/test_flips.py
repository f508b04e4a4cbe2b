import numpy as np
import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.flips import flip_table, flips, mcnemar_interval
from tests.results.synthetic import sweep


def test_flips_by_hand() -> None:
    found = flips([True, True, True, False, False], [True, False, False, True, False])
    assert found == pytest.approx((0.4, 0.2, 0.2))


def test_mcnemars_interval_by_hand() -> None:
    """n = 98, 19.5 lost, 9.5 gained: b = 20, c = 10, n + 2 = 100: -0.1 +- 1.96 * sqrt(30 - 1) / 100."""
    found = mcnemar_interval(19.5 / 98, 9.5 / 98, 98)
    assert found.estimate == pytest.approx(-10 / 98)
    assert (found.low, found.high) == pytest.approx((-0.1 - 0.10555, -0.1 + 0.10555), abs=1e-4)


def test_mcnemars_interval_holds_the_truth() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(2000):
        lost, gained, _ = rng.multinomial(200, [0.15, 0.05, 0.8]) / 200
        _, low, high = mcnemar_interval(lost, gained, 200)
        held += low <= -0.1 <= high
    assert 0.93 <= held / 2000 <= 0.97


def paired_sweep() -> Answers:
    """Two paired sets: the convolving model loses on mnist, the recurrent one does not."""
    parts = {"2dot/paired": "paired", "mnist/paired": "paired"}
    tables = sweep(
        lambda model, size, source, target: 0.5 if model == "cnn3d" and target == "mnist" else 0.8,
        models=("cnn3d", "convlstm"),
        sizes=(2, 4),
        more_parts=parts,
        shared_difficulty=True,
        of_clips=0.28,
    )
    return Answers.of(tables)


def test_the_change_of_top1_comes_with_its_flips() -> None:
    table = flip_table(paired_sweep()).set_index("model")
    assert table[["from_domain", "to_domain"]].to_numpy().tolist() == [["2dot", "mnist"]] * 2
    convolving, recurrent = table.loc["cnn3d"], table.loc["convlstm"]
    assert convolving["mean"] == pytest.approx(convolving["gained"] - convolving["lost"])
    assert convolving["low"] < -0.3 < convolving["high"] < recurrent["low"] < 0 < recurrent["high"]
    assert (convolving["clips"], convolving["trials"], convolving["seeds"]) == (300, 10, 5)
    assert convolving["kept"] + convolving["lost"] == pytest.approx(0.8, abs=0.03)


def test_pairs_are_resampled_together() -> None:
    """The difference between paired sets scatters less than that of independent ones of the same accuracy would."""
    answers = paired_sweep()
    place = answers.places(model="convlstm")[:1]
    first, second = (answers.top1[(target, "paired")][:, place] for target in ("2dot", "mnist"))
    apart = np.sqrt(sum(float(each[0, 0] * (1 - each[0, 0])) / 300 for each in (first, second)))
    assert (second[1:] - first[1:]).std() < 0.9 * apart


def test_without_paired_sets_there_is_no_row() -> None:
    assert flip_table(Answers.of(sweep(lambda *_: 0.5, models=("cnn3d",), sizes=(2,)))).empty
