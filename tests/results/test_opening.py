"""The first screen of a report, as data."""

from dataclasses import replace
from statistics import mean

import pytest

from rac_ray.results.analysis import Analysis
from rac_ray.results.names import DomainWords
from rac_ray.results.opening import DomainShown, opening_of, right_by
from tests.results.studies import SHAPES, Shapes
from tests.results.synthetic import sweep, unasked


class Named(Shapes):
    """With a question and a name for one domain."""

    question = "Does it work?"
    domains = {"5dot": DomainWords("5Dot", "a larger white square on black")}  # noqa: RUF012


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """Two seeds; TimeSf-1 is at chance."""
    tables = sweep(
        lambda model, *_: 0.2 if model == "timesformer1" else 0.8,
        models=("cnn3d", "timesformer1"),
        sizes=(2,),
        seeds=(1, 2),
        of_clips=0.0,
    )
    return Analysis(tables, SHAPES)


def test_a_study_without_a_question_gets_one_that_fits_any_sweep(analysis: Analysis) -> None:
    assert opening_of(analysis, 4).question == (
        "Which models that learned on 2dot keep their accuracy on clips that look different: 5dot, mnist, mnist_bg, "
        "mnist_bg_half?"
    )
    assert opening_of(replace(analysis, study=Named("named")), 4).question == "Does it work?"


def test_domains_have_names_and_words_and_the_source_comes_first(analysis: Analysis) -> None:
    shown = opening_of(replace(analysis, study=Named("named")), 4)
    assert shown.domains[:2] == [
        DomainShown("2dot", "2dot", "", trained_on=True),
        DomainShown("5dot", "5Dot", "a larger white square on black", trained_on=False),
    ]
    assert shown.names == {
        "2dot": "2dot", "5dot": "5Dot", "mnist": "mnist", "mnist_bg": "mnist_bg", "mnist_bg_half": "mnist_bg_half",
    }  # fmt: skip
    value = shown.value({"5dot": "R0lG"})
    assert [domain["clip"] for domain in value["domains"]] == [None, "R0lG", None, None, None]


def test_the_answer_knows_who_is_at_chance_and_how_many_seeds_there_are(analysis: Analysis) -> None:
    shown = opening_of(analysis, 6)
    assert shown.answer[0] == (
        "4 of 6 trials are done, with 2 seeds. 3D CNN learned; TimeSf-1 is at chance, so nothing can be said of how "
        "robust it is."
    )
    assert shown.answer[-1] == "At least 1 more seed is needed for a verdict."
    assert shown.next.startswith("Look next at TimeSf-1: ")
    assert sum(shown.rulings.values()) == 11
    assert list(shown.rulings)[-1] == "not run"


def test_a_domain_of_which_a_model_was_not_asked_is_left_out_of_what_it_is_right_in() -> None:
    """Nobody was asked about MNIST, and about MNIST-bg only the trial that never learned."""
    tables = sweep(lambda *_: 0.8, models=("cnn3d",), sizes=(2,), seeds=(1, 2, 3), of_clips=0.0)
    part = unasked(unasked(tables, "mnist/test", "model == 'cnn3d'"), "mnist_bg/test", "seed != 1")
    part = replace(part, trials=part.trials.assign(learned=part.trials["seed"] != 1))
    rows = part.evaluations[["role", "target", "top1"]].to_numpy().tolist()
    others = [
        mean([top1 for role, target, top1 in rows if (role, target) == ("target", each)])
        for each in ("5dot", "mnist_bg", "mnist_bg_half")
    ]
    own = mean([top1 for role, _, top1 in rows if role == "source_test"])
    assert right_by(Analysis(part, SHAPES)) == {"3D CNN": pytest.approx((own, min(others), max(others)))}
