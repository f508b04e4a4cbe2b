"""A sweep shaped as Diving48's: source original, targets s1, s2, t, experiments a and e."""

from collections.abc import Callable, Mapping

import pandas as pd

from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import Draw
from rac_ray.results.sheet import Sheet
from rac_ray.results.tables import Tables
from rac_ray.studies.diving48.claims import DIVING48
from rac_ray.studies.diving48.published import PRINTED
from rac_ray.studies.diving48.results import DIVING_FIGURES, diving_sheets
from rac_ray.studies.other import OtherStudy
from tests.results.synthetic import sweep

PLACES = {"2dot": "original", "5dot": "s1", "mnist": "s2", "mnist_bg": "t"}


class Dives(OtherStudy):
    """Diving48's results, without its models or data."""

    claims = DIVING48
    printed_numbers = PRINTED

    def sheets(self, analysis: Analysis) -> list[Sheet]:
        return diving_sheets(analysis)

    def figures(self, source: str) -> Mapping[str, Draw]:
        return DIVING_FIGURES


DIVES = Dives("dives")


def diving_sweep(truth: Callable[[str, str], float], models: tuple[str, ...] = ("cnn3d", "convlstm")) -> Tables:
    """Five seeds; ``truth`` (model, target) is the top-1 on average."""
    tables = sweep(
        lambda model, size, source, target: truth(model, PLACES.get(target, "t")),
        models=models,
        sizes=(2, 4),
        of_clips=0.0,
    )

    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.query("target != 'mnist_bg_half'") if "target" in frame else frame
        for column in ("source", "target"):
            if column in frame:
                frame = frame.assign(**{column: [PLACES.get(value, value) for value in frame[column]]})
        if "hidden_units" in frame:
            frame = frame.assign(experiment=["a" if size == 2 else "e" for size in frame["hidden_units"]])
        return frame

    return Tables(*(renamed(frame) for frame in vars(tables).values()))
