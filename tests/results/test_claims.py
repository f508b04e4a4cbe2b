from pathlib import Path

import pytest

from rac_ray.data.temporal_shape import DIRECTIONS
from rac_ray.results.claims import CLAIMS, DIVING48, TEMPORAL_SHAPE, Claim, Contrast, Term
from sweeps.ts_grid import MODELS, PAPER

PAPER_FIGURES = ("figure 3a", "figure 3b", "figure 4a", "figure 4b", "figure 4c")
PAPER_TABLES = ("table 1", "tables 2-4", "table 5", "figure 5", "figure 6")


def terms(claim: Claim) -> list[Term]:
    sides = [side for contrast in claim.contrasts for side in (contrast.higher, contrast.lower)]
    return [side for side in sides if isinstance(side, Term)]


def test_ids_are_unique_and_every_claim_can_be_tested() -> None:
    assert len({claim.claim_id for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.contrasts and claim.quote and claim.where for claim in CLAIMS)
    assert all(len(set(claim.contrasts)) == len(claim.contrasts) for claim in CLAIMS)


@pytest.mark.parametrize("where", PAPER_FIGURES)
def test_every_temporal_shape_figure_has_a_claim(where: str) -> None:
    assert any(where in claim.where for claim in TEMPORAL_SHAPE)


@pytest.mark.parametrize("where", PAPER_TABLES)
def test_every_diving48_table_and_figure_has_a_claim(where: str) -> None:
    assert any(where in claim.where for claim in DIVING48)


@pytest.mark.parametrize("claim", TEMPORAL_SHAPE, ids=lambda claim: claim.claim_id)
def test_temporal_shape_claims_name_what_the_paper_preset_runs(claim: Claim) -> None:
    for term in terms(claim):
        assert term.model in MODELS
        assert term.target in (None, "2dot", *DIRECTIONS[term.source].targets)
        assert set(term.sizes) <= set(PAPER.hidden_units)


def test_diving48_claims_name_experiments_and_domains() -> None:
    for claim in DIVING48:
        for term in terms(claim):
            assert term.source == "original"
            assert term.target in ("s1", "s2", "t", None)
            assert set(term.experiments) <= set("abcdefgh")
            assert term.experiments
            assert not (term.model == "timesformer" and "d" in term.experiments and len(term.experiments) == 1)


def test_a_contrast_reads_as_a_sentence() -> None:
    ratio, top1 = Term("convlstm", "2dot", "mnist"), Term("cnn3d", "2dot", "2dot", "val", against=None, sizes=(2, 4))
    assert str(Contrast(ratio, 0.5)) == "rr. of convlstm on mnist (from 2dot) > 0.5"
    assert str(Contrast(0.3, top1)) == "0.3 > top-1 of cnn3d on 2dot val at h=2,4 (from 2dot)"
    assert str(Contrast(ratio, 0.0, "slope")) == "slope of rr. of convlstm on mnist (from 2dot) > 0"
    diving = Term("cnn3d", "original", "t", against="s1", experiments="gh")
    assert str(diving) == "top-1 over s1's of cnn3d on t in gh (from original)"


def test_quotes_are_quoted_once() -> None:
    """The claims are the only place in the package that repeats the paper's sentences."""
    sources = [path for path in Path(__file__).parents[2].joinpath("rac_ray").rglob("*.py") if path.name != "claims.py"]
    text = "".join(path.read_text() for path in sources)
    assert not [claim.claim_id for claim in CLAIMS if claim.quote in text]
