"""The ``--only`` filter: ``model=convlstm|cnn3d,hidden_units<=8`` as a predicate over a trial's values.

Conditions are separated by commas and must all hold. A condition is a field, an operator (= != < <= > >=) and a
value, or for = and != several values separated by ``|``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rac_ray.errors import BadInput, one_of
from rac_ray.identity import WORD_FIELDS, Recipe
from rac_ray.store.entry import STATES

WORDS = ("model", "source", "trial_id", "state", "experiment", "size", "variant", *WORD_FIELDS)
NUMBERS = ("hidden_units", "seed", *(each.name for each in fields(Recipe) if each.name not in WORD_FIELDS))
ALIASES = {"h": "hidden_units"}
CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*([^<>=!]*?)\s*")
WHOLE = re.compile(r"[+-]?\d+")
"""A number that is no fraction: seeds have more digits than a float."""
MOST_TOLD = 12
"""Values that a sentence lists."""
ORDER = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@dataclass(frozen=True)
class Condition:
    """One comparison of a trial's field."""

    field: str
    operator: str
    values: tuple[Any, ...]
    """One value, or for = and != any number of them."""

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true of a trial's ``values``, by field; a trial id matches by its beginning."""
        return self.fits(values[self.field])

    def fits(self, have: Any) -> bool:
        """Whether it is true of a value of its field."""
        if self.operator in ORDER:
            return have is not None and ORDER[self.operator](have, self.values[0])
        equal = have.startswith(self.values) if self.field == "trial_id" else have in self.values
        return equal == (self.operator == "=")


@dataclass(frozen=True)
class Only:
    """All conditions of a filter; none at all selects everything."""

    text: str = ""
    conditions: tuple[Condition, ...] = ()

    @classmethod
    def parse(cls, text: str, variants: Sequence[str] = ()) -> "Only":
        """Raises BadInput for a condition, field, operator or number that is none; ``variants`` are fields of the
        study's own."""
        return cls(text, tuple(_condition(part, (*WORDS, *variants)) for part in text.split(",")))

    @property
    def needs_state(self) -> bool:
        """Whether the ledger has to be read to decide."""
        return any(condition.field == "state" for condition in self.conditions)

    def holds(self, values: Mapping[str, Any]) -> bool:
        return all(condition.holds(values) for condition in self.conditions)

    def require_known(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Raise BadInput for a value of several that no trial has, which would pass for a condition that is met."""
        for each in self.conditions:
            there = dict.fromkeys([row[each.field] for row in rows] + [*STATES] * (each.field == "state"))
            alone = [Condition(each.field, "=", (value,)) for value in each.values]
            lost = [one.values[0] for one in alone if not any(map(one.fits, there))]
            if each.operator not in ORDER and 0 < len(lost) < len(alone):
                told = ", ".join([*map(str, there)][:MOST_TOLD]) + ", .." * (len(there) > MOST_TOLD)
                value = f"{lost[0]:g}" if isinstance(lost[0], float) else repr(lost[0])
                raise BadInput(f"--only names {each.field} {value}, which no planned trial has; they have {told}")


def _condition(text: str, words: Sequence[str]) -> Condition:
    match = CONDITION.fullmatch(text)
    if match is None or not match[3]:
        raise BadInput(f"--only has {text!r}; valid: field, one of = != < <= > >=, value, as in hidden_units<=8")
    name, operator, value = ALIASES.get(match[1], match[1]), match[2], match[3]
    if name not in (*words, *NUMBERS):
        raise one_of("field in --only", name, (*words, *NUMBERS))
    if operator in ORDER and name in words:
        raise BadInput(f"--only compares {name} with {operator!r}; valid: = and !=")
    if operator in ORDER and "|" in value:
        raise BadInput(f"--only compares {name} {operator} with several values {value!r}; valid: one")
    values = [part.strip() for part in value.split("|")]
    parsed = tuple(_number(name, part) if name in NUMBERS else part for part in values)
    if operator in ORDER and parsed == (None,):
        raise BadInput(f"--only compares {name} {operator} none; valid: a number, or none with = and !=")
    return Condition(name, operator, parsed)


def _number(name: str, text: str) -> float | None:
    try:
        return None if text == "none" else int(text) if WHOLE.fullmatch(text) else float(text)
    except ValueError as error:
        raise BadInput(f"--only compares {name} with {text!r}, which is not a number") from error
