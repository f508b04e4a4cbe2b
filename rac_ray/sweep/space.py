"""What a search of recipes chooses from: ranges and choices of a recipe's fields. Pure, but for Ray Tune's draws.

``--tune learning_rate=log(1e-4,1e-1) --tune optimiser=sgd|adamw`` is a space of two fields.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rac_ray.errors import BadInput, one_of
from rac_ray.identity import Recipe, seed_for
from rac_ray.sweep.axes import RECIPE_OPTIONS
from rac_ray.sweep.options import Option, whole_number

BUDGET = ("max_epochs", "patience", "stop_at")
"""Fields that say how long a training may take: every candidate of a search has the same."""
TUNABLE = tuple(option.name for option in RECIPE_OPTIONS if option.name not in BUDGET)
SCALES = ("log", "uniform")
DIGITS = 3
"""Significant digits of a drawn number: enough for any recipe, and short in a name."""
WHOLE = ("batch_size",)
RANGE = re.compile(r"(\w+)\(\s*([^,()]+?)\s*,\s*([^,()]+?)\s*\)")


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds, drawn evenly (``uniform``) or evenly in their logarithm (``log``)."""

    scale: str
    low: float
    high: float

    @property
    def text(self) -> str:
        return f"{self.scale}({self.low:g},{self.high:g})"

    @property
    def ends(self) -> tuple[float, ...]:
        """Values that have to be valid for all to be."""
        return self.low, self.high

    def domain(self) -> Any:
        """What Ray Tune draws from."""
        from ray import tune

        return (tune.loguniform if self.scale == "log" else tune.uniform)(self.low, self.high)

    def given(self, drawn: float) -> float:
        """What a recipe gets of a drawn number: few digits, and within the bounds."""
        return min(max(float(f"{drawn:.{DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """A few values, each as likely."""

    values: tuple[Any, ...]

    @property
    def text(self) -> str:
        return "|".join(
            "none" if value is None else f"{value:.12g}" if _is_number(value) else value for value in self.ends
        )

    @property
    def ends(self) -> tuple[Any, ...]:
        """All of them have to be valid."""
        return self.values

    def domain(self) -> Any:
        """What Ray Tune draws from."""
        from ray import tune

        return tune.choice(list(self.values))

    def given(self, drawn: Any) -> Any:
        """What a recipe gets of a choice: that, to the last digit."""
        return drawn


@dataclass(frozen=True)
class Space:
    """Fields of a recipe with what each may be."""

    fields: Mapping[str, Range | Choice]

    @property
    def texts(self) -> list[str]:
        """Each field as on a command line, in the order of their names."""
        return [f"{name}={self.fields[name].text}" for name in sorted(self.fields)]

    def draws(self, *seed: int | str) -> Iterator[dict[str, Any]]:
        """Points of the space without end, by Ray Tune's own sampling; the same ones for the same seed."""
        import numpy as np
        from ray.tune.search.variant_generator import generate_variants

        domains, number = {name: self.fields[name].domain() for name in sorted(self.fields)}, 0
        while True:
            random = np.random.RandomState(seed_for("candidate", number, *seed) % 2**32)
            ((_, point),) = generate_variants(dict(domains), random_state=random)
            yield {name: self.fields[name].given(value) for name, value in point.items()}
            number += 1


def space_of(texts: Sequence[str]) -> Space:
    """The space that ``field=values`` name. Raises BadInput for a field, a range or a value that is none."""
    fields: dict[str, Range | Choice] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not values.strip():
            raise BadInput(f"--tune has {text!r}; valid: field=log(low,high), field=uniform(low,high) or field=a|b")
        if name not in TUNABLE:
            raise one_of("field in --tune", name, TUNABLE)
        if name in fields:
            raise BadInput(f"--tune names {name} twice; give all of its values at once")
        fields[name] = _values(name, values.strip())
    return Space(fields)


def _values(name: str, text: str) -> Range | Choice:
    found = RANGE.fullmatch(text)
    if found is None:
        parsed = next(option.parse for option in RECIPE_OPTIONS if option.name == name)
        if any(mark in text for mark in "(),"):
            raise BadInput(f"--tune has {name}={text}; valid: log(low,high), uniform(low,high), or choices as in a|b")
        return _valid(name, Choice(tuple(dict.fromkeys(parsed(text.replace("|", ","))))), text)
    scale, low, high = found[1], _number(name, found[2]), _number(name, found[3])
    if scale not in SCALES:
        raise one_of(f"scale of {name} in --tune", scale, SCALES)
    if name in WHOLE or isinstance(getattr(Recipe(), name), str):
        raise BadInput(f"--tune draws {name} from {text}; valid: choices, as in {name}=16|32")
    if not low < high:
        raise BadInput(f"--tune has {name}={text}; valid: a low end below the high end")
    if scale == "log" and low <= 0:
        raise BadInput(f"--tune has {name}={text}; valid: a low end above 0, whose logarithm there is")
    return _valid(name, Range(scale, low, high), text)


def _valid(name: str, values: Range | Choice, text: str) -> Range | Choice:
    """The values, if a recipe can have each."""
    for value in values.ends:
        fields: dict[str, Any] = {name: value}
        try:
            Recipe(**fields)
        except BadInput as error:
            raise BadInput(f"--tune has {name}={text}: {error}") from error
    return values


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"--tune has a bound {text!r} of {name}, which is not a number") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def texts_of(text: str) -> list[str]:
    """``a=..;b=..`` as its parts."""
    return [part.strip() for part in text.split(";") if part.strip()]


def trials_of_search(text: str) -> int:
    """The number of candidates from the text of a command line. Raises BadInput."""
    return require_candidates(whole_number("--tune-trials", text))


def require_candidates(number: int) -> int:
    """A number of candidates. Raises BadInput for one that no search can have."""
    if number < 2:
        raise BadInput(f"--tune-trials is {number}; valid: 2 or more, the recipe as given being one")
    if number > MOST_CANDIDATES:
        raise BadInput(f"--tune-trials is {number}; valid: at most {MOST_CANDIDATES}")
    return number


CANDIDATES, MOST_CANDIDATES = 16, 10_000
"""Candidates of a search, unless somebody says otherwise, and at most: all of them are drawn before the first runs."""
SEARCH_OPTIONS = (
    Option(
        "tune",
        texts_of,
        "search a field of the recipe for each model, size and source, as in learning_rate=log(1e-4,1e-1) or "
        "optimiser=sgd|adamw; several times for several fields",
        repeated=True,
    ),
    Option(
        "tune_trials",
        trials_of_search,
        f"candidates of each search, the recipe as given included (default: {CANDIDATES})",
    ),
)
"""What turns a sweep into one that searches its recipes first."""
