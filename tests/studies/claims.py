"""What holds of any study's claims."""

from collections.abc import Sequence
from pathlib import Path

from rac_ray.results.claims import Claim, Term


def terms(claim: Claim) -> list[Term]:
    """Both sides of all contrasts, without constants."""
    sides = [side for contrast in claim.contrasts for side in (contrast.higher, contrast.lower)]
    return [side for side in sides if isinstance(side, Term)]


def check(claims: Sequence[Claim]) -> None:
    """Ids are unique, every claim can be tested, and nothing else in the package repeats the quotes."""
    assert len({claim.claim_id for claim in claims}) == len(claims)
    assert all(claim.contrasts and claim.quote and claim.where for claim in claims)
    assert all(len(set(claim.contrasts)) == len(claim.contrasts) for claim in claims)
    sources = [path for path in Path(__file__).parents[2].joinpath("rac_ray").rglob("*.py") if path.name != "claims.py"]
    text = "".join(path.read_text() for path in sources)
    assert not [claim.claim_id for claim in claims if claim.quote in text]
