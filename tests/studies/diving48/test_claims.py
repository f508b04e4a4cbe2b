import pytest

from rac_ray.studies.diving48.claims import DIVING48
from tests.studies.claims import check, terms


def test_ids_are_unique_and_every_claim_can_be_tested() -> None:
    check(DIVING48)


@pytest.mark.parametrize("where", ["table 1", "tables 2-4", "table 5", "figure 5", "figure 6"])
def test_every_table_and_figure_has_a_claim(where: str) -> None:
    assert any(where in claim.where for claim in DIVING48)


def test_claims_name_experiments_and_domains() -> None:
    for claim in DIVING48:
        for term in terms(claim):
            assert term.source == "original"
            assert set(term.targets) <= {"s1", "s2", "t"}
            assert set(term.experiments) <= set("abcdefgh")
            assert term.experiments
            assert not (term.model == "timesformer" and "d" in term.experiments and len(term.experiments) == 1)
