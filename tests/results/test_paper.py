"""A claim on printed numbers, by hand."""

import math
from dataclasses import replace

import pytest

from rac_ray.results.analysis import Analysis
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.paper import Printed, paper_effect, paper_table
from rac_ray.studies.other import OtherStudy
from rac_ray.studies.temporal_shape.claims import PRINTED
from tests.results.synthetic import sweep

NEW, OLD = (Term(model, "here", "there", experiments="abc") for model in ("new", "old"))
FIGURES = {
    NEW: 0.5,
    OLD: 0.4,
    **{replace(NEW, experiments=letter): value for letter, value in {"a": 0.3, "c": 0.4}.items()},
    **{replace(OLD, experiments=letter): value for letter, value in {"a": 0.4, "b": 0.9, "c": 0.5}.items()},
    replace(NEW, target="far"): 0.1,
}
PAPER = Printed(FIGURES, {"abc": "table 9", "a": "table 2"}, "it has one table")
CONTRAST = Contrast(NEW, OLD)


def test_both_averages_stand_side_by_side() -> None:
    """Table 9: 0.5 - 0.4. Of both, a and c are printed: 0.35 - 0.45."""
    effect = paper_effect(CONTRAST, PAPER)
    assert effect == (0.1, -0.1, "ac", "table 9")
    assert effect.carries == "both ways"
    assert str(effect) == (
        "the paper's own numbers: +0.100 (table 9); by our pairing, over a, c: -0.100 (the other way round)"
    )


def test_what_is_printed_of_one_side_only_is_no_contrast() -> None:
    effect = paper_effect(Contrast(replace(NEW, experiments="b"), replace(OLD, experiments="b")), PAPER)
    assert (effect.carries, effect.pairs, str(effect)) == (
        "not printed",
        "",
        "the paper prints no numbers of both sides",
    )
    assert math.isnan(effect.averages)
    assert math.isnan(effect.paired)


def test_without_an_average_the_pairing_stands_alone() -> None:
    part = Printed({term: value for term, value in FIGURES.items() if term not in (NEW, OLD)})
    effect = paper_effect(CONTRAST, part)
    assert (effect.carries, str(effect)) == ("no", "by our pairing, over a, c: -0.100")


def test_several_targets_are_their_mean_and_a_constant_is_itself() -> None:
    both = replace(NEW, target=("there", "far"))
    assert paper_effect(Contrast(both, 0.2), PAPER).averages == pytest.approx(0.1)
    assert paper_effect(Contrast(0.2, both), PAPER).carries == "no"
    assert paper_effect(Contrast(replace(NEW, target=("there", "nowhere")), 0.2), PAPER).carries == "not printed"
    assert paper_effect(Contrast(0.3, replace(NEW, experiments="a")), PAPER).carries == "no", "a tie carries nothing"


def test_slopes_are_not_printed() -> None:
    assert paper_effect(Contrast(NEW, OLD, "slope"), PAPER).carries == "not printed"


def test_a_study_without_experiments_has_its_numbers_too() -> None:
    one, other = (replace(term, experiments="") for term in (NEW, OLD))
    effect = paper_effect(Contrast(one, other), Printed({one: 0.5, other: 0.4}, {"": "table 1"}))
    assert (str(effect), effect.carries) == ("the paper's own numbers: +0.100 (table 1)", "yes")


def test_there_is_a_row_per_contrast_that_joins_the_verdicts() -> None:
    claims = [Claim("one", "it is", "here", (CONTRAST, Contrast(OLD, NEW))), Claim("two", "so", "there", (CONTRAST,))]
    table = paper_table(claims, PAPER)
    assert table[["claim_id", "carries"]].to_numpy().tolist() == [
        ["one", "both ways"], ["one", "both ways"], ["two", "both ways"],
    ]  # fmt: skip
    assert table["contrast"].tolist() == [str(each) for claim in claims for each in claim.contrasts]
    assert table["paper"].tolist() == [0.1, -0.1, 0.1]


class Told(OtherStudy):
    claims = (Claim("one", "it is", "here", (CONTRAST, Contrast(NEW, OLD, "slope"))),)
    printed_numbers = PAPER


def test_it_is_a_table_of_its_own_where_any_number_is_printed() -> None:
    tables = sweep(lambda *_: 0.7, models=("cnn3d",), sizes=(2,), clips=50)
    (sheet,) = [each for each in Analysis(tables, Told("told")).sheets if each.name == "claims-in-the-paper"]
    assert sheet.long["carries"].tolist() == ["both ways", "not printed"]
    assert sheet.title.endswith(f"; {PAPER.note}")
    assert sheet.shown.columns.tolist() == ["claim_id", "contrast", "carries", "in the paper"]
    other = Told("told")
    for other.printed_numbers in (None, PRINTED):
        assert "claims-in-the-paper" not in [each.name for each in Analysis(tables, other).sheets]
