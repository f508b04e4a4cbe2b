"""What was found of a contrast in a sentence for people who never saw the paper: who keeps how much more than whom."""

from rac_ray.results.claims import Contrast, Term
from rac_ray.results.looks import look_of
from rac_ray.results.statistics import Estimate


def plainly(contrast: Contrast, effect: Estimate) -> str:
    """``A keeps 5.0 points more [2.0 to 8.0] of its accuracy on noon than B (trained on day)``.

    Shares of answers are told in %, and differences between them in points, hundredths of 1.
    """
    match contrast.higher, contrast.lower:
        case Term() as term, Term() as other:
            than = look_of(other.model).label if other.model != term.model else _at(other)
            said = f"{_says(term, _more(effect))} than {than}"
        case (Term() as term, _) if contrast.over == "slope":
            said = _says(term, _more(effect))
        case (_, Term() as term) if contrast.over == "slope":
            said = _says(term, _more(_turned(effect)))
        case Term() as term, float() | int() as limit:
            said = f"{_says(term, _share(limit, effect))}; the limit is {100 * limit:g}%"
        case float() | int() as limit, Term() as term:
            said = f"{_says(term, _share(limit, _turned(effect)))}; the limit is {100 * limit:g}%"
        case _:
            raise ValueError(f"{contrast} is of no model")
    pace = "with each doubling of hidden units, " if contrast.over == "slope" else ""
    return f"{pace}{said} (trained on {term.source})"


def _says(term: Term, amount: str) -> str:
    whose = "its accuracy" if term.against == "source_val" else f"its accuracy on {term.against}"
    does = f"is right in {amount} of answers" if term.against is None else f"keeps {amount} of {whose}"
    return f"{look_of(term.model).label} {does} {_at(term)}"


def _at(term: Term) -> str:
    """``on noon``, ``on noon and night (mean)``, ``on validation clips of day``; with sizes, experiments."""
    *most, last = term.targets
    names = f"{', '.join(most)} and {last} (mean)" if most else last
    clips = "validation clips of " if term.split == "val" else ""
    sizes = f" at h={', '.join(map(str, term.sizes))}" if term.sizes else ""
    return f"on {clips}{names}{sizes}{f' in experiments {term.experiments}' if term.experiments else ''}"


def _share(limit: float, effect: Estimate) -> str:
    """What was measured itself, given how far it lies above a limit."""
    estimate, low, high = (100 * (limit + value) for value in effect)
    return f"{estimate:.1f}% [{low:.1f} to {high:.1f}]"


def _more(effect: Estimate) -> str:
    """``5.0 points more [2.0 to 8.0]``; turned round where it is less."""
    less = effect.estimate < 0
    estimate, low, high = (100 * value for value in (_turned(effect) if less else effect))
    return f"{estimate:.1f} points {'less' if less else 'more'} [{low:.1f} to {high:.1f}]"


def _turned(effect: Estimate) -> Estimate:
    return Estimate(-effect.estimate, -effect.high, -effect.low)
