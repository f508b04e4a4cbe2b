"""How figures look: names, colours and markers of models, the stamp below, the bytes of a file. Colour-blind safe."""

from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

matplotlib.use("Agg")

LOOKS = {
    "convlstm": ("ConvLSTM", "#0072B2", "o"),
    "cnn3d": ("3D CNN", "#D55E00", "s"),
    "timesformer1": ("TimeSf-1", "#56B4E9", "v"),
    "timesformer8": ("TimeSf-8", "#009E73", "^"),
    "timesformer": ("TimeSf", "#009E73", "^"),
}
"""Name in the paper, colour (Okabe and Ito), marker; other models get matplotlib's own."""
FORMATS = {"png": {"Software": None}, "svg": {"Date": None}}
"""File formats, with the metadata that would differ from one drawing to the next."""


class Look(NamedTuple):
    """How a model is drawn."""

    label: str
    color: str | None
    marker: str


def look_of(model: str) -> Look:
    return Look(*LOOKS.get(model, (model, None, "D")))


def stamped(figure: Figure, stamp: str) -> Figure:
    """The figure with how much of the grid it stands on below it."""
    figure.supxlabel(stamp, fontsize=7, color="grey")
    return figure


def rendered(draw: Callable[[], Figure], suffix: str) -> bytes:
    """A figure as ``png`` or ``svg``, drawn with matplotlib's own settings whatever the user's are."""
    stream = BytesIO()
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "Agg", "svg.hashsalt": "rac_ray"}):
        draw().savefig(stream, format=suffix, dpi=150, metadata=FORMATS[suffix])
    return stream.getvalue()
