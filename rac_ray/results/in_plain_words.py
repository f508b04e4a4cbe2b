"""What was found of a contrast in a sentence for people who never saw the paper: who keeps how much more than whom."""

import math

from rac_ray.results.claims import Contrast, Term
from rac_ray.results.looks import look_of
from rac_ray.results.names import UNNAMED, Domains, domain_name
from rac_ray.results.statistics import Estimate


def plainly(contrast: Contrast, effect: Estimate, domains: Domains = UNNAMED) -> str:
    """``A keeps 5.0 points more [2.0 to 8.0] of its accuracy on noon than B (trained on day)``.

    Shares of answers are told in %, and differences between them in points, hundredths of 1; an
    effect without an interval is told without one. ``domains`` says what domains are called.
    """
    match contrast.higher, contrast.lower:
        case Term() as term, Term() as other:
            than = look_of(other.model).label if other.model != term.model else _at(other, domains)
            said = f"{_says(term, _more(effect), domains)} than {than}"
        case (Term() as term, _) if contrast.over == "slope":
            said = _says(term, _more(effect), domains)
        case (_, Term() as term) if contrast.over == "slope":
            said = _says(term, _more(effect.turned), domains)
        case Term() as term, float() | int() as limit:
            said = f"{_says(term, _share(term, limit, effect), domains)}; the limit is {100 * limit:g}%"
        case float() | int() as limit, Term() as term:
            said = f"{_says(term, _share(term, limit, effect.turned), domains)}; the limit is {100 * limit:g}%"
        case _:
            raise ValueError(f"{contrast} is of no model")
    pace = "with each doubling of hidden units, " if contrast.over == "slope" else ""
    return f"{pace}{said} (trained on {domain_name(domains, term.source)})"


def _says(term: Term, amount: str, domains: Domains) -> str:
    whose = (
        "its accuracy"
        if term.against == "source_val"
        else f"its accuracy on {domain_name(domains, term.against or '')}"
    )
    does = f"is right in {amount} of answers" if term.against is None else f"keeps {amount} of {whose}"
    return f"{look_of(term.model).label} {does} {_at(term, domains)}"


def _at(term: Term, domains: Domains) -> str:
    """``on noon``, ``on noon and night (mean)``, ``on validation clips of day``; with sizes, experiments."""
    *most, last = (domain_name(domains, target) for target in term.targets)
    names = f"{', '.join(most)} and {last} (mean)" if most else last
    clips = "validation clips of " if term.split == "val" else ""
    sizes = f" at h={', '.join(map(str, term.sizes))}" if term.sizes else ""
    return f"on {clips}{names}{sizes}{f' in experiments {term.experiments}' if term.experiments else ''}"


def _share(term: Term, limit: float, effect: Estimate) -> str:
    """What was measured itself, given how far it lies above a limit; the interval of an accuracy ends where shares do,
    while a ratio may be above 1."""
    most = 100.0 if term.against is None else math.inf
    estimate, low, high = (100 * (limit + value) for value in effect)
    return f"{estimate:.1f}%{_between(max(low, 0.0), min(high, most))}"


def _more(effect: Estimate) -> str:
    """``5.0 points more [2.0 to 8.0]``, ``5.0 points more [1.0 less to 8.0 more]``; turned round where it is less."""
    less = effect.estimate < 0
    estimate, low, high = (100 * value for value in (effect.turned if less else effect))
    word, other = ("less", "more") if less else ("more", "less")
    ends = f" [{-low:.1f} {other} to {high:.1f} {word}]" if low < 0 < high else _between(low, high)
    return f"{estimate:.1f} points {word}{ends}"


def _between(low: float, high: float) -> str:
    return "" if math.isnan(low + high) else f" [{low:.1f} to {high:.1f}]"
