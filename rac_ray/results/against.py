"""Two sweeps against each other: differences of their means with intervals, and each claim's verdict in both. Pandas.

Only what both have is compared: models of the same size from the same source, on the same evaluation set.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.counted import counted
from rac_ray.results.answers import Answers, Part
from rac_ray.results.at_chance import guesses
from rac_ray.results.findings import FEW
from rac_ray.results.formats import signed
from rac_ray.results.statistics import NOTHING, difference
from rac_ray.results.summaries import BY_SIZE, FIGURE3_ROLES, mean_over
from rac_ray.results.verdicts import Verdict

ROW = ["source", "model", "target", "split", "role", "measure"]
AGAINST_COLUMNS = [
    *ROW, "here", "there", "difference", "low", "high", "sizes", "seeds_here", "seeds_there",
]  # fmt: skip
SHOWN_AS = {"top1": (100, 1), "robustness_ratio": (1, 2)}
"""Factor and digits of a measure as text."""
SAME = "all are the same"
Places = NDArray[np.int64]


def against_table(here: Answers, there: Answers) -> pd.DataFrame:
    """Means here and there over the sizes that both have, and here less there with its 95% interval.

    One row per source, model, evaluation set and measure: ``top1``, and of targets ``robustness_ratio``, which a model
    at chance in one of the sweeps does not have. The sweeps count as independent. Where they were asked the same clips,
    or share trials because one goes on from the other, the interval is wider than it has to be.
    """
    rows = []
    for source in [name for name in here.sources if name in there.sources]:
        known = there.models(source)
        for model in [name for name in here.models(source) if name in known]:
            shared = there.parts(source, FIGURE3_ROLES)
            for part in [part for part in here.parts(source, FIGURE3_ROLES) if part in shared]:
                first, second = _of_both(here, there, part, source=source, model=model)
                if len(first):
                    sizes = here.trials.loc[first, BY_SIZE].drop_duplicates()
                    seeds = (each.trials.loc[of, "seed"].nunique() for each, of in ((here, first), (there, second)))
                    basis = (len(sizes), *seeds)
                    rows += [(source, model, *row, *basis) for row in _compared(here, there, part, first, second)]
    return pd.DataFrame(rows, columns=AGAINST_COLUMNS)


def _of_both(here: Answers, there: Answers, part: Part, **wanted: object) -> tuple[Places, Places]:
    """Columns of the trials here and there with these properties that were asked and whose size is in both."""
    found = [(answers, answers.asked(answers.places(**wanted), part)) for answers in (here, there)]
    sizes = [list(each.trials.loc[places, BY_SIZE].itertuples(index=False, name=None)) for each, places in found]
    shared = set(sizes[0]) & set(sizes[1])
    first, second = (places[[size in shared for size in of]] for (_, places), of in zip(found, sizes, strict=True))
    return first, second


def _compared(here: Answers, there: Answers, part: Part, first: Places, second: Places) -> list[tuple[object, ...]]:
    """Evaluation set, role, measure, means and difference of a model's trials."""
    able = not any(guesses(each.trials["learned"].to_numpy(bool)[of]) for each, of in ((here, first), (there, second)))
    role = here.role_of[here.trials["source"].iloc[first[0]], *part]
    rows = []
    for measure in SHOWN_AS if role == "target" else ["top1"]:
        mine, other = NOTHING, NOTHING
        if able or measure == "top1":
            mine, other = mean_over(here, measure, part, first), mean_over(there, measure, part, second)
        rows.append((*part, role, measure, mine.estimate, other.estimate, *difference(mine, other)))
    return rows


def as_text(table: pd.DataFrame) -> list[str]:
    """``+1.2 [-3.4, +5.8]`` of each row's difference: of top-1 in points of a percent."""
    enough = table[["seeds_here", "seeds_there"]].min(axis=1) >= FEW
    numbers = table[["difference", "low", "high"]].to_numpy(float)
    texts = []
    for measure, of, sure in zip(table["measure"], numbers, enough, strict=True):
        scale, digits = SHOWN_AS[measure]
        texts.append(signed(*(scale * of).tolist(), enough=bool(sure), digits=digits))
    return texts


def rulings(here: Sequence[Verdict], there: Sequence[Verdict]) -> pd.DataFrame:
    """Each claim's verdict here and there, and whether they differ: missing where it has not run in both."""
    others = {verdict.claim.claim_id: verdict.outcome for verdict in there}
    rows = [(each.claim.claim_id, each.outcome, others[each.claim.claim_id]) for each in here]
    table = pd.DataFrame(rows, columns=["claim_id", "here", "there"])
    ran = (table[["here", "there"]] != "not run").all(axis=1)
    return table.assign(differs=(table["here"] != table["there"]).astype("boolean").where(ran))


def in_words(changes: Mapping[str, pd.DataFrame], name: str) -> list[str]:
    """A sentence for each recipe of which verdicts are others there."""
    lines = []
    for recipe, table in changes.items():
        both = table.dropna(subset=["differs"])
        told = "; ".join(
            f"{claim} is {mine} here and {other} there"
            for claim, mine, other, differs in both.itertuples(index=False, name=None)
            if differs
        )
        said = (
            f"{both['differs'].sum()} of {counted(len(both), 'verdict')} differ: {told}" if told else "all are the same"
        )
        if both.empty:
            said = "no claim has run in both"
        lines.append(f"{f'{recipe}: ' * bool(recipe)}verdicts beside {name}: {said}")
    return lines
