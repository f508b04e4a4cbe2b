"""Numbers that the paper prints, to stand beside ours (section 4.2, tables 1 to 5; facts.md section 5)."""

from collections.abc import Iterator
from typing import NamedTuple

from rac_ray.results.claims import Term
from rac_ray.results.paper import Printed

ORIGINAL = "original"
"""Diving48's source domain."""


class Ratios(NamedTuple):
    """One row of a table of the paper."""

    s1: float
    """Top-1 on S1 over the best validation top-1."""
    s2: float
    t: float
    t_over_s1: float


VALIDATION_TOP1 = {"a": 0.30, "b": 0.35, "c": 0.383, "d": 0.5007}
"""Validation top-1 of the checkpoints that an experiment compares."""
PRINTED_RATIOS: dict[str, dict[str, Ratios]] = {
    "a": {
        "cnn3d": Ratios(0.253, 0.245, 0.257, 1.01),
        "convlstm": Ratios(0.247, 0.281, 0.238, 0.965),
        "timesformer": Ratios(0.198, 0.203, 0.250, 1.27),
    },
    "b": {
        "cnn3d": Ratios(0.230, 0.233, 0.243, 1.06),
        "convlstm": Ratios(0.217, 0.271, 0.199, 0.919),
        "timesformer": Ratios(0.154, 0.152, 0.190, 1.24),
    },
    "c": {
        "cnn3d": Ratios(0.219, 0.219, 0.237, 1.09),
        "convlstm": Ratios(0.279, 0.308, 0.187, 0.669),
        "timesformer": Ratios(0.155, 0.155, 0.175, 1.13),
    },
    "d": {
        "cnn3d": Ratios(0.234, 0.242, 0.191, 0.815),
        "convlstm": Ratios(0.232, 0.248, 0.136, 0.586),
    },
}
"""Tables 2 to 5."""
AVERAGES = {
    "cnn3d": (Ratios(0.255, 0.260, 0.221, 0.878), Ratios(0.026, 0.034, 0.028, 0.15)),
    "convlstm": (Ratios(0.230, 0.266, 0.185, 0.807), Ratios(0.028, 0.026, 0.042, 0.16)),
    "timesformer": (Ratios(0.175, 0.176, 0.190, 1.10), Ratios(0.028, 0.026, 0.037, 0.17)),
}
"""Table 1: mean and deviation over the experiments a to h."""


def top1(experiment: str, model: str) -> dict[str, float]:
    """Top-1 on ``val``, ``s1``, ``s2`` and ``t`` that a printed row implies: ratio times validation top-1."""
    val, row = VALIDATION_TOP1[experiment], PRINTED_RATIOS[experiment][model]
    return {"val": val, "s1": row.s1 * val, "s2": row.s2 * val, "t": row.t * val}


def _terms() -> Iterator[tuple[Term, float]]:
    for experiment, rows in PRINTED_RATIOS.items():
        for model, row in rows.items():
            yield from _of_row(model, row, experiment)
            for target in ("s1", "s2", "t"):
                accuracy = top1(experiment, model)[target]
                yield Term(model, ORIGINAL, target, against=None, experiments=experiment), accuracy
    for model, (mean, _) in AVERAGES.items():
        yield from _of_row(model, mean, ALL)


def _of_row(model: str, row: Ratios, experiments: str) -> Iterator[tuple[Term, float]]:
    for target in ("s1", "s2", "t"):
        yield Term(model, ORIGINAL, target, experiments=experiments), getattr(row, target)
    yield Term(model, ORIGINAL, "t", against="s1", experiments=experiments), row.t_over_s1


ALL = "abcdefgh"
"""What table 1 averages over: of each model those that it is in."""
PRINTED = Printed(
    dict(_terms()),
    {ALL: "table 1", "a": "table 2", "b": "table 3", "c": "table 4", "d": "table 5"},
    "it prints the ratios of a to d, and averages over a to h; top-1 is a ratio times the validation top-1; "
    "e to h are only drawn",
)
"""Tables 1 to 5, by the terms of claims."""


class Answered(NamedTuple):
    """A row of table 7: predictions of five clips of a class."""

    s1: tuple[int, ...]
    s2: tuple[int, ...]
    correct_attributes: str
    """As printed: of the set of wrong predictions."""


ANSWERS: dict[int, dict[str, Answered]] = {
    34: {
        "convlstm": Answered((34, 34, 35, 8, 20), (34, 34, 44, 8, 20), "10/16"),
        "cnn3d": Answered((34, 19, 21, 35, 34), (34, 32, 21, 21, 34), "8/16"),
        "timesformer": Answered((34, 12, 34, 47, 20), (31, 12, 34, 47, 20), "5/16"),
    },
    12: {
        "convlstm": Answered((35, 26, 45, 26, 21), (27, 26, 45, 14, 21), "14/24"),
        "cnn3d": Answered((3, 20, 12, 5, 44), (3, 20, 12, 5, 34), "8/20"),
        "timesformer": Answered((22, 33, 12, 31, 14), (22, 33, 12, 31, 14), "5/16"),
    },
    22: {
        "convlstm": Answered((26, 26, 35, 22, 21), (26, 26, 35, 22, 21), "5/12"),
        "cnn3d": Answered((29, 7, 26, 28, 0), (29, 22, 26, 26, 0), "7/20"),
        "timesformer": Answered((15, 27, 46, 44, 34), (15, 27, 46, 44, 34), "5/20"),
    },
    45: {
        "convlstm": Answered((26, 21, 12, 35, 27), (26, 21, 12, 35, 44), "14/24"),
        "cnn3d": Answered((46, 20, 35, 35, 34), (34, 20, 12, 35, 31), "12/24"),
        "timesformer": Answered((15, 31, 44, 12, 18), (42, 31, 44, 12, 8), "11/28"),
    },
}
"""Table 7, experiment c, by class. The attributes of class 34's TimeSf are a slip: it is 7/16 by the vocabulary."""
TOP: dict[str, dict[str, tuple[float, float]]] = {
    "s1": {"convlstm": (0.4, 1.0), "cnn3d": (0.4, 0.8), "timesformer": (0.4, 0.4)},
    "s2": {"convlstm": (0.4, 1.0), "cnn3d": (0.4, 0.6), "timesformer": (0.2, 0.4)},
    "t": {"convlstm": (0.0, 0.6), "cnn3d": (0.0, 0.8), "timesformer": (0.0, 0.2)},
}
"""Table 6: top-1 and top-5 of the five clips of class 34 by domain and model."""
