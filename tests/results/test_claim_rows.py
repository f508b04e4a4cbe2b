"""Claims as a report lists them."""

import pytest

from rac_ray.results.answers import Answers
from rac_ray.results.claim_rows import ClaimRow, claim_rows, more_seeds, with_names
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.names import DomainWords
from rac_ray.results.paper import Printed
from rac_ray.results.verdicts import Verdict, judge
from tests.results.synthetic import sweep

DOMAINS = {"mnist": DomainWords("MNIST", ""), "2dot": DomainWords("2Dot", "")}
FIRST, SECOND = (Term(model, "2dot", "mnist", against=None) for model in ("convlstm", "cnn3d"))
CLAIM = Claim("better", "ConvLSTM is better", "figure 3", (Contrast(FIRST, SECOND),))


def judged(seeds: tuple[int, ...], gap: float = 0.4) -> Verdict:
    tables = sweep(
        lambda model, *_: 0.3 + gap * (model == "convlstm"), models=("convlstm", "cnn3d"), sizes=(2,), seeds=seeds
    )
    return judge(Answers.of(tables), [CLAIM])[0]


@pytest.fixture(scope="module")
def rows() -> dict[int, ClaimRow]:
    """Of one seed, two and five."""
    printed = Printed({FIRST: 0.5, SECOND: 0.375})
    found = {count: judged(tuple(range(count))) for count in (1, 2, 5)}
    return {count: claim_rows([verdict], printed, DOMAINS)[0] for count, verdict in found.items()}


def test_a_row_has_quote_verdict_effect_and_the_papers_difference(rows: dict[int, ClaimRow]) -> None:
    row = rows[5]
    assert (row.quote, row.ruling, row.paper, row.seeds) == ("ConvLSTM is better", "reproduced", "+0.12", "none")
    assert row.effect.startswith("ConvLSTM is right in ")
    assert " of answers on MNIST than 3D CNN (trained on 2Dot)" in row.effect
    ((seen, paper, corrected, matched, printed),) = row.contrasts
    assert (seen, printed) == (row.effect, "+0.12")
    assert row.is_printed
    assert ", p <0.001" in paper
    assert {corrected, matched} == {"is not asked: the claim is about top-1 itself"}


def test_few_seeds_have_no_interval_however_few_they_are(rows: dict[int, ClaimRow]) -> None:
    for count in (1, 2):
        assert rows[count].effect.endswith("; too few seeds for an interval")
        assert "[" not in rows[count].effect
        assert "[" not in rows[count].contrasts[0][1]
        assert rows[count].seeds == f"at least {3 - count} more"


def test_a_claim_that_has_not_run_says_so_with_names() -> None:
    verdict = Verdict(CLAIM, "not run", (), lacking="no trial tells of timesformer8 on mnist (from 2dot)")
    (row,) = claim_rows([verdict], None, DOMAINS)
    assert (row.effect, row.paper, row.seeds) == (f"not tested: {row.means}", "not printed", "-")
    assert not row.is_printed
    assert row.means == "no trial tells of TimeSf-8 on MNIST (from 2Dot)"
    assert more_seeds(verdict) == "-"


def test_only_whole_keys_are_named() -> None:
    assert with_names("mnist_bg of mnist, cnn3d-4x128", DOMAINS) == "mnist_bg of MNIST, 3D CNN-4x128"
