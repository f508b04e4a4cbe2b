"""A sentence for every kind of contrast."""

import pytest

from rac_ray.results.claims import Contrast, Term
from rac_ray.results.in_plain_words import plainly
from rac_ray.results.statistics import Estimate
from rac_ray.studies.diving48.claims import DIVING48
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE

EITHER = Estimate(-0.05, -0.08, 0.02)
MORE, LESS = Estimate(0.05, 0.02, 0.08), Estimate(-0.05, -0.08, -0.02)
RATIO = Term("convlstm", "2dot", "mnist")
TOP1 = Term("cnn3d", "2dot", "2dot", "val", against=None)


@pytest.mark.parametrize(
    ("contrast", "effect", "said"),
    [
        (
            Contrast(RATIO, Term("cnn3d", "2dot", "mnist")),
            LESS,
            "ConvLSTM keeps 5.0 points less [2.0 to 8.0] of its accuracy on mnist than 3D CNN (trained on 2dot)",
        ),
        (
            Contrast(RATIO, Term("cnn3d", "2dot", "mnist")),
            EITHER,
            "ConvLSTM keeps 5.0 points less [2.0 more to 8.0 less] of its accuracy on mnist than 3D CNN "
            "(trained on 2dot)",
        ),
        (
            Contrast(TOP1, Term("convlstm", "2dot", "2dot", "val", against=None)),
            MORE,
            "3D CNN is right in 5.0 points more [2.0 to 8.0] of answers on validation clips of 2dot than ConvLSTM "
            "(trained on 2dot)",
        ),
        (
            Contrast(Term("x", "original", "t", against=None), Term("x", "original", "s1", against=None)),
            MORE,
            "x is right in 5.0 points more [2.0 to 8.0] of answers on t than on s1 (trained on original)",
        ),
        (
            Contrast(Term("x", "o", ("s1", "s2"), experiments="ab"), Term("y", "o", ("s1", "s2"), experiments="ab")),
            MORE,
            "x keeps 5.0 points more [2.0 to 8.0] of its accuracy on s1 and s2 (mean) in experiments ab than y "
            "(trained on o)",
        ),
        (
            Contrast(Term("x", "o", "t", against="s1"), Term("y", "o", "t", against="s1")),
            MORE,
            "x keeps 5.0 points more [2.0 to 8.0] of its accuracy on s1 on t than y (trained on o)",
        ),
        (
            Contrast(0.5, Term("convlstm", "2dot", "mnist", sizes=(24, 32))),
            MORE,
            "ConvLSTM keeps 45.0% [42.0 to 48.0] of its accuracy on mnist at h=24, 32; the limit is 50% "
            "(trained on 2dot)",
        ),
        (
            Contrast(RATIO, 0.5),
            LESS,
            "ConvLSTM keeps 45.0% [42.0 to 48.0] of its accuracy on mnist; the limit is 50% (trained on 2dot)",
        ),
        (
            Contrast(RATIO, 0.99),
            Estimate(0.05, -0.01, 0.11),
            "ConvLSTM keeps 104.0% [98.0 to 110.0] of its accuracy on mnist; the limit is 99% (trained on 2dot)",
        ),
        (
            Contrast(0.0, RATIO, "slope"),
            MORE,
            "with each doubling of hidden units, ConvLSTM keeps 5.0 points less [2.0 to 8.0] of its accuracy on mnist "
            "(trained on 2dot)",
        ),
        (
            Contrast(RATIO, Term("convlstm", "2dot", "5dot"), "slope"),
            MORE,
            "with each doubling of hidden units, ConvLSTM keeps 5.0 points more [2.0 to 8.0] of its accuracy on mnist "
            "than on 5dot (trained on 2dot)",
        ),
    ],
)
def test_a_contrast_in_words(contrast: Contrast, effect: Estimate, said: str) -> None:
    assert plainly(contrast, effect) == said


def test_every_contrast_of_the_studies_has_words() -> None:
    contrasts = [each for claim in (*TEMPORAL_SHAPE, *DIVING48) for each in claim.contrasts]
    assert all(plainly(each, MORE).endswith(")") for each in contrasts)


def test_a_contrast_of_limits_has_none() -> None:
    with pytest.raises(ValueError, match="of no model"):
        plainly(Contrast(0.5, 0.4), MORE)
