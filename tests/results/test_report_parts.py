"""Which table stands under which figure, and what is left."""

import pytest

from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import pictures
from rac_ray.results.report_parts import claims, sections
from rac_ray.results.sections import Section
from rac_ray.results.verdicts import decided_first
from tests.results.studies import SHAPES
from tests.results.synthetic import sweep


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(sweep(lambda *_: 0.7, models=("convlstm", "cnn3d"), sizes=(2,), seeds=(1,), clips=50), SHAPES)


@pytest.fixture(scope="module")
def parts(analysis: Analysis) -> dict[str, Section]:
    return {section.heading: section for section in sections(analysis, pictures(analysis))}


def test_the_first_figure_is_the_main_one_and_tables_follow(parts: dict[str, Section]) -> None:
    assert {heading: section.group for heading, section in parts.items()} == {
        "Accuracy on every domain": "main",
        "Robustness ratio against model size": "figures",
        "Accuracy against the number of trainable parameters": "figures",
        "Share of trials whose robustness ratio is above a threshold": "figures",
        "Validation accuracy after each epoch": "figures",
        "Comparisons": "tables",
        "Claims by choice": "claims",
    }


def test_a_figure_has_its_numbers_its_stamp_and_the_rule(parts: dict[str, Section]) -> None:
    main = parts["Accuracy on every domain"]
    assert main.table is not None
    assert main.table["model"].tolist() == ["ConvLSTM", "3D CNN"]
    assert main.more is not None
    assert list(main.more) == ["trials", "seeds", "sizes"]
    assert main.caption.startswith("All 2 planned trials are done; ")
    assert main.caption.endswith("; too few seeds for an interval")
    assert (
        " What each model does with time: ConvLSTM recurs from frame to frame, with a memory; 3D CNN convolves over "
        "neighbouring frames. A trial has learned if"
    ) in main.note
    assert "with time" not in parts["Robustness ratio against model size"].note
    assert "A trial has learned if its best accuracy on the 50 validation clips is at least " in main.note
    assert sum("A trial has learned" in section.note for section in parts.values()) == 1, "said once"
    assert main.files[:3] == ("figures/figure3-2dot.png", "figures/figure3-2dot.svg", "tables/figure3-2dot.csv")
    assert parts["Validation accuracy after each epoch"].table is None


def test_claims_are_the_studys_own(analysis: Analysis) -> None:
    decided = decided_first(analysis.verdicts)
    assert [row.quote for row in claims(analysis)] == [verdict.claim.quote for verdict in decided]
    assert {verdict.claim.claim_id for verdict in decided} == {claim.claim_id for claim in SHAPES.claims}
