"""Which trials a term stands on, what they are divided by, and which trials two terms share."""

from dataclasses import replace

import numpy as np
import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.claims import Term
from rac_ray.results.sides import Side, shared_keys, side_of
from tests.results.synthetic import sweep


@pytest.fixture(scope="module")
def answers() -> Answers:
    truth = {"convlstm": 0.6, "cnn3d": 0.8}
    return Answers.of(sweep(lambda model, *_: truth[model], models=("convlstm", "cnn3d"), sizes=(2, 8)), draws=20)


def found(answers: Answers, term: Term) -> Side:
    side = side_of(answers, term)
    assert side is not None
    return side


def test_a_ratio_has_the_papers_denominator_and_one_of_clips_that_chose_nothing(answers: Answers) -> None:
    side = found(answers, Term("cnn3d", "2dot", ("5dot", "mnist")))
    places = answers.places(model="cnn3d", source="2dot")
    top1 = answers.top1
    assert np.array_equal(side.target, (top1["5dot", "test"][:, places] + top1["mnist", "test"][:, places]) / 2)
    assert np.array_equal(np.asarray(side.below), np.asarray(side.chooser))
    assert np.array_equal(np.asarray(side.below), top1["2dot", "val"][:, places])
    assert np.array_equal(np.asarray(side.source), top1["2dot", "test"][:, places])
    assert np.array_equal(side.value, side.target / np.asarray(side.below))
    assert side.chance == 0.2
    assert side.doublings.tolist() == [1.0] * 5 + [3.0] * 5


def test_a_ratio_to_another_domain_is_matched_by_that_domain(answers: Answers) -> None:
    side = found(answers, Term("cnn3d", "2dot", "mnist", against="5dot"))
    assert np.array_equal(np.asarray(side.below), np.asarray(side.source))
    assert np.array_equal(np.asarray(side.below), answers.top1["5dot", "test"][:, answers.places(model="cnn3d")])


def test_a_top1_has_no_denominator(answers: Answers) -> None:
    side = found(answers, Term("cnn3d", "2dot", "2dot", "val", against=None, sizes=(8,)))
    assert (side.below, side.source, side.chooser) == (None, None, None)
    assert side.value is side.target
    assert side.target.shape == (21, 5)


def test_trials_that_were_not_asked_do_not_count(answers: Answers) -> None:
    top1 = {part: values.copy() for part, values in answers.top1.items()}
    top1["mnist", "test"][:, 0] = np.nan
    partly = replace(answers, top1=top1)
    keys = [found(partly, Term(model, "2dot", "mnist")).keys for model in ("convlstm", "cnn3d")]
    assert [len(each) for each in keys] == [9, 10]
    sides = [found(partly, Term(model, "2dot", "mnist")) for model in ("convlstm", "cnn3d")]
    assert len(shared_keys(*sides)) == 9
    assert len(shared_keys(0.5, sides[1])) == 10


def test_no_trial_is_no_side(answers: Answers) -> None:
    assert side_of(answers, Term("timesformer1", "2dot", "mnist")) is None
    assert side_of(answers, Term("cnn3d", "2dot", "nowhere")) is None
