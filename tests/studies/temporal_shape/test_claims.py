import pytest

from rac_ray.results.claims import Claim
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE
from rac_ray.studies.temporal_shape.domains import DIRECTIONS
from rac_ray.studies.temporal_shape.grid import MODELS, PAPER
from tests.studies.claims import check, terms


def test_ids_are_unique_and_every_claim_can_be_tested() -> None:
    check(TEMPORAL_SHAPE)


@pytest.mark.parametrize("where", ["figure 3a", "figure 3b", "figure 4a", "figure 4b", "figure 4c"])
def test_every_figure_has_a_claim(where: str) -> None:
    assert any(where in claim.where for claim in TEMPORAL_SHAPE)


@pytest.mark.parametrize("claim", TEMPORAL_SHAPE, ids=lambda claim: claim.claim_id)
def test_claims_name_domains_that_models_of_their_source_are_tested_on(claim: Claim) -> None:
    for term in terms(claim):
        assert set(term.targets) <= {"2dot", *DIRECTIONS[term.source].targets}


@pytest.mark.parametrize("claim", TEMPORAL_SHAPE, ids=lambda claim: claim.claim_id)
def test_claims_name_what_the_paper_preset_runs(claim: Claim) -> None:
    for term in terms(claim):
        assert term.model in MODELS
        assert set(term.sizes) <= set(PAPER.hidden_units)
