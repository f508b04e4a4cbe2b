"""The tables of a study's claims: verdicts, other choices of limits, looks, the paper's own numbers."""

from typing import TYPE_CHECKING

import pandas as pd

from rac_ray.results.paper import Printed, paper_table
from rac_ray.results.sensitivity import sensitivity_table, shown
from rac_ray.results.sheet import Sheet, rounded
from rac_ray.results.verdict_words import shown_verdicts, verdict_table

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis


def claim_sheets(analysis: "Analysis") -> list[Sheet]:
    """Those of trials of one recipe.

    Other choices are not ruled on where verdicts stand on looks: theirs would not be corrected for having looked.
    """
    choices = [] if len(analysis.tables.looks) else [_sensitivity(analysis)]
    return [_claims(analysis), *choices, _looks(analysis)]


def paper_sheets(analysis: "Analysis") -> list[Sheet]:
    """The claims on the paper's own numbers, where it prints any."""
    printed = analysis.study.printed_numbers or Printed()
    table = paper_table(analysis.study.claims, printed)
    if set(table["carries"]) <= {"not printed"}:
        return []
    title = (
        "Claims on the paper's own numbers: each contrast by its averages of each model, and by our pairing, over "
        f"the experiments that are printed of both sides; {printed.note}"
    )
    told = {"claim_id": "claim_id", "contrast": "contrast", "carries": "carries", "in_words": "in the paper"}
    shown = pd.DataFrame({name: table[column] for column, name in told.items()})
    return [Sheet("claims-in-the-paper", title, table, shown)]


def _claims(analysis: "Analysis") -> Sheet:
    title = (
        "Claims: each contrast's effect with its interval as the paper measures, chance-corrected, and at matched "
        "source accuracy; p of a claim is that of all measures that apply, corrected by Holm "
        "[95% intervals over seeds and clips; one seed: over clips only]"
    )
    table = verdict_table(analysis.verdicts, analysis.study.printed_numbers)
    return Sheet("claims", title, table, shown_verdicts(table))


def _sensitivity(analysis: "Analysis") -> Sheet:
    title = (
        "Claims under other choices: how many of the limits that the paper's words allow, and of shares of trials "
        "that must have learned, give which verdict"
    )
    table = sensitivity_table(analysis.measurements, analysis.readings)
    return Sheet("claims-by-choice", title, table, shown(table))


def _looks(analysis: "Analysis") -> Sheet:
    table = analysis.tables.looks
    title = (
        "Looks at the claims while seeds were added: p values of each look by itself, and the weight that they are "
        "divided by"
    )
    return Sheet("looks", title, table, rounded(table.drop(columns=["trial_id", "record_id"])))
