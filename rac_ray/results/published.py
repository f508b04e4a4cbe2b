"""Numbers that the paper prints, to stand beside ours (section 4.2, tables 1 to 5; facts.md section 5)."""

from typing import NamedTuple


class Ratios(NamedTuple):
    """One row of a table of the paper."""

    s1: float
    """Top-1 on S1 over the best validation top-1."""
    s2: float
    t: float
    t_over_s1: float


VALIDATION_TOP1 = {"a": 0.30, "b": 0.35, "c": 0.383, "d": 0.5007}
"""Validation top-1 of the checkpoints that an experiment compares."""
EXPERIMENTS: dict[str, dict[str, Ratios]] = {
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
    val, row = VALIDATION_TOP1[experiment], EXPERIMENTS[experiment][model]
    return {"val": val, "s1": row.s1 * val, "s2": row.s2 * val, "t": row.t * val}
