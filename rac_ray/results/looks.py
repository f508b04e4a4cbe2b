"""How figures look: names, colours and markers of models, the stamp below, the bytes of a file. Colour-blind safe.

And what models do with time, in words, for who reads the figures.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
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
    "cnn2plus1d": ("(2+1)D CNN", "#E69F00", "P"),
    "convgru": ("ConvGRU", "#CC79A7", "X"),
    "convlru": ("ConvLRU", "#882255", "p"),
    "vivit": ("ViViT", "#F0E442", "*"),
    "bag": ("Bag of frames", "#999999", "d"),
}
"""Name in the paper, colour (Okabe and Ito; one is Tol's, since intervals are black), marker; other models get
matplotlib's own."""
WITH_TIME = {
    "convlstm": "recurs from frame to frame, with a memory",
    "cnn3d": "convolves over neighbouring frames",
    "timesformer1": "attends to all frames, with one head",
    "timesformer8": "attends to all frames, with eight heads",
    "timesformer": "attends to all frames",
    "cnn2plus1d": "convolves over space, then over neighbouring frames",
    "convgru": "recurs from frame to frame, without a memory beside its state",
    "convlru": "recurs linearly from frame to frame",
    "vivit": "attends within frames, then among frames, with eight heads",
    "bag": "knows no time: the mean of what it says of each frame",
}
"""What a model does with time; nothing is known of other models."""
FORMATS = {"png": {"Software": None}, "svg": {"Date": None}}
"""File formats, with the metadata that would differ from one drawing to the next."""

STAMP_LETTERS = 15
"""Letters of a stamp in one inch."""
STAMP = "stamp"
"""The id of a stamp in an SVG file."""
ON_PAGE = (
    f'#{STAMP} {{ display: none }} [style*="fill: #ffffff"] {{ fill: none !important }} '
    "@media (prefers-color-scheme: dark) { svg { fill: #e4e8ed } "
    '[style*="stroke: #000000"] { stroke: #e4e8ed !important } [style*="fill: #000000"] { fill: #e4e8ed !important } '
    '[style*="fill: #f0f0f0"] { fill: #2a323d !important } [style*="fill: #808080"] { fill: #a3adba !important } }'
)
"""What a page changes of a figure: no stamp and no ground, and light colours on a dark page."""


class Picture(NamedTuple):
    """A figure, laid out and drawn once."""

    files: Mapping[str, bytes]
    """Its bytes by format."""
    stamp: str
    below: float
    """Which share of its height the stamp takes."""


class Look(NamedTuple):
    """How a model is drawn."""

    label: str
    color: str | None
    marker: str


def look_of(model: str) -> Look:
    return Look(*LOOKS.get(model, (model, None, "D")))


def called(models: Iterable[str]) -> list[str]:
    """Names of models: one that is named as one of ours beside it is called is told from that."""
    keys = list(models)
    ours = {look_of(each).label for each in keys if each in LOOKS}
    return [f"{each} (own)" if each not in LOOKS and each in ours else look_of(each).label for each in keys]


def with_time(models: Iterable[str]) -> str:
    """What each of the models does with time, in one sentence; empty where nothing is known of any."""
    said = [f"{look_of(model).label} {WITH_TIME[model]}" for model in models if model in WITH_TIME]
    return f"What each model does with time: {'; '.join(said)}." if said else ""


def stamped(figure: Figure, stamp: str) -> Figure:
    """The figure with how much of the grid it stands on below it."""
    letters = int(STAMP_LETTERS * figure.get_figwidth())
    figure.supxlabel(textwrap.fill(stamp, letters), fontsize=8, color="#555555", gid=STAMP)
    return figure


def picture_of(draw: Callable[[], Figure]) -> Picture:
    """A figure in every format, drawn with matplotlib's own settings whatever the user's are."""
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "Agg", "svg.hashsalt": "rac_ray"}):
        figure = draw()
        files = {suffix: _saved(figure, suffix) for suffix in FORMATS}
        stamps = [text.get_window_extent().y1 for text in figure.texts if text.get_gid() == STAMP]
    return Picture(files, " ".join(figure.get_supxlabel().split()), sum(stamps) / figure.bbox.height)


def rendered(draw: Callable[[], Figure], suffix: str) -> bytes:
    """A figure as ``png`` or ``svg``."""
    return picture_of(draw).files[suffix]


def on_page(picture: Picture) -> str:
    """A figure as SVG for a page: light or dark as the reader's system, and cut off above its stamp."""
    text = picture.files["svg"].decode()
    text = re.sub("(<svg[^>]*>)", rf"\1<style>{ON_PAGE}</style>", text, count=1)
    width, height = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)[0])
    shown = height * (1 - picture.below)
    size = f'width="{width:.6g}pt" height="{shown:.6g}pt" viewBox="0 0 {width:.6g} {shown:.6g}"'
    return re.sub(r'width="[^"]*" height="[^"]*" viewBox="[^"]*"', size, text, count=1)


def _saved(figure: Figure, suffix: str) -> bytes:
    """The bytes of a figure, which is laid out for the first of its formats alone."""
    stream = BytesIO()
    figure.savefig(stream, format=suffix, dpi=150, metadata=FORMATS[suffix])
    figure.set_layout_engine("none")
    return stream.getvalue()
