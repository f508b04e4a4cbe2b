"""What tables and figures stand on, in words."""

from collections import Counter

import pytest

from rac_ray.results.basis import clips_in_words, trials_in_words, untold_in_words, weights_in_words
from rac_ray.training.selection import Selection

BEST = "of its best epoch: highest validation accuracy where it was trained, the first of equals"


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({"done": 12}, "all 12 planned trials are done"),
        ({"done": 1}, "the only planned trial is done"),
        ({"pending": 1}, "the only planned trial has not run"),
        ({"pending": 2}, "0 of 2 planned trials are done, 2 have not run"),
        ({"done": 1, "failed": 2}, "1 of 3 planned trials is done, 2 have failed"),
        (
            {"done": 6, "unreached": 2, "failed": 1, "running": 1, "pending": 3},
            "6 of 13 planned trials are done, 2 never came near their level, 1 has failed, 1 is running, "
            "3 have not run",
        ),
    ],
    ids=str,
)
def test_every_planned_trial_is_counted(states: dict[str, int], said: str) -> None:
    assert trials_in_words(Counter(states), sum(states.values())) == said


def test_folders_that_tell_no_trial_are_named() -> None:
    assert untold_in_words([]) == ""
    assert untold_in_words(["0a"]) == "1 folder tells no trial: 0a"
    assert untold_in_words(["0a", "0b"]) == "2 folders tell no trial: 0a, 0b"


def test_what_trials_say_of_their_clips_stands_once() -> None:
    assert clips_in_words(["", ""]) == ""
    assert clips_in_words(["spec=paper", "digits=optdigits, spec=own", "spec=paper", ""]) == (
        "clips: digits optdigits, spec own; spec paper"
    )


def test_rules_of_records_are_said_in_plain_words() -> None:
    nearest, best = Selection((0.3,)).rule, Selection().rule
    assert weights_in_words([best, best]) == f"each trial is tested with the weights {BEST}"
    assert "nearest to its experiment's level, the first of equals" in weights_in_words([nearest])
    assert weights_in_words(["the last one"]) == "each trial is tested with the weights by the last one"
    assert weights_in_words([best, nearest]).count("each trial is tested") == 2
    assert weights_in_words([]) == "no weights yet"
