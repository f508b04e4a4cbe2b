"""What is said of a sweep, word by word."""

import pytest

from rac_ray.results.answer import Standing, answer, look_next

ABLE, ONE_GUESSES = {"ConvLSTM": True, "3D CNN": True}, {"ConvLSTM": True, "3D CNN": True, "TimeSf-1": False}
NO_CLAIMS = "This study states no claims to test: compare the models in the figures."
ALL_GUESS = {"TimeSf-1": False, "TimeSf-8": False}


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        pytest.param(
            Standing(12, 0, rulings={"not run": 11}),
            ["No trial has finished yet, so nothing can be concluded."],
            id="no trial done",
        ),
        pytest.param(
            Standing(
                4, 4, 1, ABLE, {"underpowered": 5, "holds for these models": 1, "not run": 5}, [None] * 6, told_by=1
            ),
            [
                "All 4 trials are done, with 1 seed, and every model is above chance where it was trained.",
                "With 1 seed nothing can be concluded about architectures: 6 of the study's 11 claims could "
                "be tested. For the very models that were trained 1 holds and 0 fail.",
                "At least 2 more seeds are needed for a verdict.",
            ],
            id="one seed",
        ),
        pytest.param(
            Standing(1, 1, 1, {"ConvLSTM": True}),
            ["The only trial is done, with 1 seed, and every model is above chance where it was trained.", NO_CLAIMS],
            id="one trial",
        ),
        pytest.param(
            Standing(4, 1, 1, {"ConvLSTM": True}),
            ["1 of 4 trials is done, with 1 seed, and every model is above chance where it was trained.", NO_CLAIMS],
            id="one trial of several",
        ),
        pytest.param(
            Standing(8, 8, 2, ALL_GUESS, {"underpowered": 2, "not run": 9}, [3, None], told_by=2),
            [
                "All 8 trials are done, with 2 seeds. No model is above chance, so nothing can be said of how robust "
                "they are.",
                "With 2 seeds nothing can be concluded about architectures: 2 of the study's 11 claims could "
                "be tested, and none is decided.",
                "At least 1 more seed is needed for a verdict.",
            ],
            id="two seeds and models at chance",
        ),
        pytest.param(
            Standing(12, 9, 3, ONE_GUESSES, {"underpowered": 6, "not run": 5}, [4, 4, 9, None, None, None], told_by=3),
            [
                "9 of 12 trials are done, with 3 seeds. ConvLSTM and 3D CNN learned; TimeSf-1 is at chance, so nothing "
                "can be said of how robust it is.",
                "No claim is decided yet: 6 of the study's 11 could be tested.",
                "4 more seeds would decide 2 of the 6 open claims, if effects stay as they are.",
            ],
            id="all undecided",
        ),
        pytest.param(
            Standing(20, 20, 5, ABLE, {"reproduced": 3, "underpowered": 1, "not run": 7}, [None], told_by=5),
            [
                "All 20 trials are done, with 5 seeds, and every model is above chance where it was trained.",
                "Of the study's 11 claims, 3 are reproduced; 1 of the 4 that could be tested is undecided.",
                "More seeds alone would not decide the open claims: their effects are small for so few clips.",
            ],
            id="some reproduced",
        ),
        pytest.param(
            Standing(
                20,
                20,
                5,
                ABLE,
                {"reproduced in the paper's measure only": 1, "contradicted": 2, "underpowered": 0},
                told_by=5,
            ),
            [
                "All 20 trials are done, with 5 seeds, and every model is above chance where it was trained.",
                "Of the study's 3 claims, 1 is reproduced in the paper's measure only and 2 are contradicted.",
            ],
            id="some contradicted",
        ),
        pytest.param(
            Standing(2, 2, 3, ABLE, {"not run": 2}),
            [
                "All 2 trials are done, with 3 seeds, and every model is above chance where it was trained.",
                "None of the study's 2 claims could be tested yet.",
            ],
            id="no claim could be tested",
        ),
        pytest.param(
            Standing(2, 2, 3, ABLE),
            [
                "All 2 trials are done, with 3 seeds, and every model is above chance where it was trained.",
                NO_CLAIMS,
            ],
            id="a study without claims",
        ),
    ],
)
def test_the_answer_claims_no_more_than_verdicts_do(standing: Standing, said: list[str]) -> None:
    assert answer(standing) == said


def test_a_model_at_chance_is_looked_at_before_any_other() -> None:
    assert look_next(Standing(12, 12, 3, ONE_GUESSES, kept={"3D CNN": 0.4})) == (
        "Look next at TimeSf-1: it has not learned its own training domain, so a longer training or another recipe "
        "comes before any comparison."
    )


def test_the_model_that_keeps_most_is_named_without_a_claim() -> None:
    assert look_next(Standing(12, 12, 3, ABLE, kept={"3D CNN": 0.424, "ConvLSTM": 0.31})) == (
        "Look next at 3D CNN: of what it learned beyond guessing it keeps the largest share so far, 42% on average "
        "over other domains; this order is not tested."
    )
    assert look_next(Standing(12, 12, 3, ABLE, kept={"3D CNN": 0.424, "ConvLSTM": 0.38, "TimeSf-8": 0.37})) == (
        "Look next at 3D CNN and ConvLSTM: of what they learned beyond guessing they keep the largest shares so far, "
        "38 to 42% on average over other domains; this order is not tested."
    )
    assert look_next(Standing(12, 0)) == ""


def test_a_model_of_few_seeds_takes_nothing_from_claims_on_others() -> None:
    """One further model with one seed, beside two with five on which a claim was decided."""
    found = answer(Standing(11, 11, 1, ABLE, {"reproduced": 1, "not run": 10}, told_by=5))
    assert found[1] == "Of the study's 11 claims, 1 is reproduced."


def test_what_was_seen_is_told_of_the_model_that_is_right_most_often_at_home() -> None:
    right = {"ConvLSTM": (0.47, 0.19, 0.49), "3D CNN": (0.754, 0.26, 0.683)}
    said = (
        "On test clips of the domain of its training 3D CNN is right most often, in 75% of them; on those of other "
        "domains it is right in 26 to 68%."
    )
    assert answer(Standing(12, 12, 3, ABLE, {"not run": 2}, right=right))[1] == said
