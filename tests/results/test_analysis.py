from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rac_ray.identity import Trial
from rac_ray.results import load
from rac_ray.results.analysis import Analysis
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.sheet import Sheet, rounded
from rac_ray.results.tables import Tables
from rac_ray.studies.other import OtherStudy
from tests.results.conftest import task_of
from tests.results.studies import SHAPES, Shapes
from tests.results.synthetic import sweep, unasked


@pytest.fixture(scope="module")
def sheets() -> dict[str, Sheet]:
    tables = sweep(
        lambda model, *_: 0.15 if model == "timesformer1" else 0.7,
        sizes=(2, 32),
        sources=("2dot", "mnist_bg"),
        clips=200,
    )
    return {sheet.name: sheet for sheet in Analysis(tables, SHAPES).sheets}


def test_every_table_of_both_directions_is_there(sheets: dict[str, Sheet]) -> None:
    per_source = ["figure3", "robustness", "figure4", "accuracy-by-size"]
    assert list(sheets) == [f"{name}-{source}" for source in ("2dot", "mnist_bg") for name in per_source] + [
        "comparisons", "claims", "claims-by-choice", "without-ratio",
    ]  # fmt: skip


def test_figure_3_is_shown_with_models_down_and_domains_across(sheets: dict[str, Sheet]) -> None:
    shown = sheets["figure3-2dot"].shown
    assert shown.columns.tolist() == [
        "model", "trials", "seeds", "sizes", "never learned", "2dot validation", "2dot test", "5dot test", "mnist test",
        "mnist_bg test", "mnist_bg_half test",
    ]  # fmt: skip
    assert shown["never learned"].tolist() == ["none", "none", "10 of 10: at chance", "none"]
    mean = sheets["figure3-2dot"].long["mean"].iloc[0]
    assert shown.loc[0, "2dot validation"].startswith(f"{100 * mean:.1f} [")  # pyright: ignore[reportAttributeAccessIssue]
    assert sheets["figure3-2dot"].title.startswith("Trained on 2dot: mean top-1 in % over hidden units and seeds [95%")


def test_models_on_different_parts_of_the_grid_carry_a_warning(sheets: dict[str, Sheet]) -> None:
    assert "different seeds" not in sheets["figure3-2dot"].title
    tables = sweep(lambda *_: 0.7, models=("convlstm", "cnn3d"), sizes=(2, 32), clips=100)
    late = tables.trials.query("model == 'cnn3d' and hidden_units == 32")["trial_id"]
    part = Tables(*(frame[~frame["trial_id"].isin(late)] for frame in vars(tables).values()))
    warning = "; models stand on different seeds and sizes (trials: ConvLSTM 10, 3D CNN 5): only paired comparisons"
    assert all(warning in sheet.title for sheet in Analysis(part, SHAPES).sheets if sheet.name.endswith("-2dot"))


def test_a_model_of_which_some_trials_were_not_asked_is_one_row() -> None:
    tables = sweep(lambda *_: 0.7, models=("convlstm", "cnn3d"), sizes=(2,), seeds=(0, 1, 2), clips=100)
    part = unasked(tables, "mnist/test", "model == 'cnn3d' and seed != 1")
    found = {sheet.name: sheet for sheet in Analysis(part, SHAPES).sheets}
    shown = found["figure3-2dot"].shown
    assert shown[["model", "trials", "seeds", "sizes", "never learned"]].to_numpy().tolist() == [
        ["ConvLSTM", 3, 3, 1, "none"],
        ["3D CNN", "1 to 3", "1 to 3", 1, "none"],
    ]
    assert [text.endswith("*") for text in shown["mnist test"]] == [False, True]
    assert found["figure4-2dot"].shown["seeds"].tolist() == [3, "1 to 3"]
    assert len(found["robustness-2dot"].shown) == 2 * 6
    warning = "; not all trials were asked about everything (mnist: 3D CNN 1 of 3)"
    assert all(sheet.title.endswith(warning) for name, sheet in found.items() if name.endswith("-2dot"))
    page = found["comparisons"].page
    assert page is not None
    differences = dict(zip(page["domain"], page["difference of the ratio"], strict=True))
    assert [name for name, text in differences.items() if text.endswith("*")] == ["mnist"]


def test_what_never_learned_is_listed(sheets: dict[str, Sheet]) -> None:
    unfinished = sheets["without-ratio"].shown
    assert set(unfinished["model"]) == {"timesformer1"}
    assert set(unfinished["reason"]) == {"never learned"}


def test_an_unfinished_sweep_lists_what_failed_and_waits(sweep_folder: Path) -> None:
    analysis = Analysis(load(sweep_folder), SHAPES)
    unfinished = next(sheet for sheet in analysis.sheets if sheet.name == "without-ratio").shown
    assert unfinished["state"].tolist() == ["failed", "pending"]
    assert unfinished["reason"].tolist() == ["not finite: NotFinite: nan", "has not run"]


def test_a_sweep_without_a_finished_trial_has_claims_and_what_is_missing(
    sweep_folder: Path, trials: list[Trial]
) -> None:
    tables = load(sweep_folder, [task_of(trials[7])])
    assert [sheet.name for sheet in Analysis(tables, SHAPES).sheets] == ["claims", "claims-by-choice", "without-ratio"]


def test_numbers_are_rounded_and_gaps_are_dashes() -> None:
    table = pd.DataFrame({"a": [0.12345, float("nan")], "b": [3, 4], "c": ["x", None]})
    assert rounded(table).to_numpy().tolist() == [["0.123", "3", "x"], ["-", "4", "-"]]


def test_a_level_that_was_not_reached_is_no_failure() -> None:
    tables = sweep(lambda *_: 0.7, models=("cnn3d",), sizes=(2,), clips=100)
    reason = "never reached a validation top-1 of 0.9: 0.7000 at best"
    late = tables.trials["seed"] == 42
    trials = tables.trials.assign(
        state=tables.trials["state"].mask(late, "unreached"), reason=tables.trials["reason"].mask(late, reason)
    )
    asked = tables.evaluations[~tables.evaluations["trial_id"].isin(trials.loc[late, "trial_id"])]
    analysis = Analysis(replace(tables, trials=trials, evaluations=asked), SHAPES)
    unfinished = next(sheet for sheet in analysis.sheets if sheet.name == "without-ratio").shown
    assert unfinished[["state", "reason"]].to_numpy().tolist() == [["unreached", reason]]
    assert analysis.stamp.startswith("4 of 5 planned trials are done, 1 never came near its level; ")
    assert Analysis(tables, SHAPES).stamp.startswith("All 5 planned trials are done; ")


def test_a_study_adds_tables_of_its_own_and_its_claims() -> None:
    class Own(OtherStudy):
        claims = (Claim("own", "it is good", "here", (Contrast(Term("cnn3d", "2dot", "mnist", against=None), 0.5),)),)

        def sheets(self, analysis: Analysis) -> list[Sheet]:
            counts = analysis.tables.trials.groupby("model", as_index=False).agg(trials=("trial_id", "size"))
            return [Sheet("own-counts", "Trials by model", counts, counts)]

    tables = sweep(lambda *_: 0.9, models=("cnn3d",), sizes=(2,), clips=100)
    found = {sheet.name: sheet for sheet in Analysis(tables, Own("own")).sheets}
    assert found["own-counts"].shown.to_numpy().tolist() == [["cnn3d", 5]]
    assert found["claims"].long[["claim_id", "outcome"]].to_numpy().tolist() == [["own", "reproduced"]]
    assert "claims" not in [sheet.name for sheet in Analysis(tables, OtherStudy("none")).sheets]


class Fed(Shapes):
    """A study whose training clips are stored or drawn."""

    variants = {"feed": ("stored", "online")}  # noqa: RUF012


def test_models_that_trained_on_drawn_clips_stand_beside_those_on_stored_ones() -> None:
    """With clips without end, ConvLSTM keeps more: means, differences and the verdict that changes."""

    def fed(feed: str, kept: float, draw: int) -> Tables:
        def truth(model: str, _size: int, _source: str, target: str) -> float:
            return 0.8 if target == "2dot" else kept if model == "convlstm" else 0.4

        tables = sweep(truth, models=("convlstm", "cnn3d"), sizes=(2, 8), draw=draw)
        frames = {
            name: frame.assign(trial_id=feed + frame["trial_id"], recipe=f"feed {feed}") if len(frame) else frame
            for name, frame in vars(tables).items()
        }
        return replace(tables, **frames)

    stored, drawn = fed("stored", 0.4, 0), fed("online", 0.7, 1)
    both = Tables(
        *(pd.concat([getattr(each, name) for each in (stored, drawn)], ignore_index=True) for name in vars(stored))
    )
    analysis = Analysis(both, Fed("fed"))
    sheets = {sheet.name: sheet for sheet in analysis.sheets}
    row = sheets["other-clips"].long.query("model == 'convlstm' and target == 'mnist' and measure == 'top1'").iloc[0]
    assert (row["as_given"], row["tuned"]) == (pytest.approx(0.4, abs=0.05), pytest.approx(0.7, abs=0.05))
    shown = sheets["other-clips"].shown
    assert [name for name in shown if name.startswith("2dot")] == ["2dot validation", "2dot test"]
    (changes,) = analysis.clip_changes.values()
    changed = changes.set_index("claim_id").loc["ts-mnist-absolute"]
    assert (changed["as_given"], changed["tuned"]) == ("underpowered", "reproduced")
    assert "other-clips-claims" in sheets
    assert "tuned" not in sheets
