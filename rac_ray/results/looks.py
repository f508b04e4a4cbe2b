"""How figures look: names, colours and markers of models, the stamp below, the bytes of a file. Colour-blind safe."""

import re
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
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

STAMP_LETTERS = 15
"""Letters of a stamp in one inch."""
DARK = (
    "@media (prefers-color-scheme: dark) { svg { fill: #e4e8ed } "
    '[style*="stroke: #000000"] { stroke: #e4e8ed !important } [style*="fill: #000000"] { fill: #e4e8ed !important } '
    '[style*="fill: #f0f0f0"] { fill: #2a323d !important } [style*="fill: #808080"] { fill: #a3adba !important } }'
)
"""Colours of a figure on a dark ground."""


class Look(NamedTuple):
    """How a model is drawn."""

    label: str
    color: str | None
    marker: str


def look_of(model: str) -> Look:
    return Look(*LOOKS.get(model, (model, None, "D")))


def stamped(figure: Figure, stamp: str) -> Figure:
    """The figure with how much of the grid it stands on below it."""
    letters = int(STAMP_LETTERS * figure.get_figwidth())
    figure.supxlabel(textwrap.fill(stamp, letters), fontsize=8, color="#555555")
    return figure


def rendered(draw: Callable[[], Figure], suffix: str) -> bytes:
    """A figure as ``png`` or ``svg``, drawn with matplotlib's own settings whatever the user's are."""
    with _own_settings():
        return _saved(draw(), suffix, transparent=False)


def on_page(draw: Callable[[], Figure]) -> tuple[str, str]:
    """A figure as SVG for a page, without ground, light or dark as the reader's system; and its stamp."""
    with _own_settings():
        figure = draw()
        stamp = " ".join(figure.get_supxlabel().split())
        figure.supxlabel("")
        text = _saved(figure, "svg", transparent=True).decode()
    return re.sub("(<svg[^>]*>)", rf"\1<style>{DARK}</style>", text, count=1), stamp


def _own_settings() -> AbstractContextManager[None]:
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "Agg", "svg.hashsalt": "rac_ray"})


def _saved(figure: Figure, suffix: str, *, transparent: bool) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format=suffix, dpi=150, metadata=FORMATS[suffix], transparent=transparent)
    return stream.getvalue()
