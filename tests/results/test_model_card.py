"""The model card: its front matter as Hugging Face reads it, its numbers against the records, a study without facts."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from rac_ray.identity import Recipe
from rac_ray.results.analysis import Analysis
from rac_ray.results.model_card import model_card
from rac_ray.results.tables import Tables, load
from rac_ray.results.verdicts import decided_first
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.other import OtherStudy
from rac_ray.studies.study import Study
from rac_ray.studies.temporal_shape.study import TemporalShape
from tests.results.conftest import finish, trials_of
from tests.results.studies import SHAPES
from tests.results.synthetic import sweep

TRIALS = trials_of(Recipe(precision="32"))


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """2 models x 2 h x 2 seeds; seed 42 is five points better."""
    ledger = Ledger(Storage.at(tmp_path / "sweep"))
    for trial in TRIALS:
        finish(ledger, trial, 0.05 if trial.training.seed == 42 else 0.0)
    return load(tmp_path / "sweep")


def text_of(tables: Tables, study: Study, having: tuple[str, ...] = ()) -> str:
    return model_card(Analysis(tables, study), "clips", having).decode()


def front_of(card: str) -> dict[str, Any]:
    _, head, _ = card.split("---\n", 2)
    return yaml.safe_load(head)


def rows_below(card: str, heading: str) -> pd.DataFrame:
    """The first table below a heading, as texts."""
    text = "\n" + card.split(f"## {heading}\n")[1].split("\n## ")[0] + "\n"
    lines = text.split("\n\n|")[1].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return pd.DataFrame(cells[2:], columns=cells[0])


def test_hugging_face_reads_the_front_matter(tables: Tables) -> None:
    card = ModelCard(text_of(tables, TemporalShape()), ignore_metadata_errors=False)
    told = card.data.to_dict()
    assert (told["license"], told["library_name"], told["pipeline_tag"]) == (
        "apache-2.0", "rac-ray", "video-classification",
    )  # fmt: skip
    assert told["tags"] == ["video-classification", "temporal-shape", "domain-shift", "robustness", "rac-ray"]
    assert (told["datasets"], told["metrics"]) == (["clips"], ["accuracy"])
    results: Any = getattr(card.data, "eval_results")  # noqa: B009 - its class is not typed
    assert len(results) == 2 * (4 + 2)
    first = results[0]
    assert (first.task_type, first.dataset_type, first.dataset_name) == (
        "video-classification", "clips", "Temporal Shape, 2dot",
    )  # fmt: skip
    assert (first.dataset_config, first.dataset_split, first.metric_type) == ("2dot", "val", "accuracy")


def test_metrics_are_the_records_numbers(tables: Tables) -> None:
    """By hand: two sizes and two seeds, of which one is five points better in every domain."""
    index = front_of(text_of(tables, TemporalShape()))["model-index"]
    assert [each["name"] for each in index] == ["3D CNN trained on 2dot", "ConvLSTM trained on 2dot"]
    for model in index:
        found = {
            (each["dataset"]["config"], each["dataset"]["split"], metric["type"]): metric["value"]
            for each in model["results"]
            for metric in each["metrics"]
        }
        assert found == {
            ("2dot", "val", "accuracy"): 0.825,
            ("2dot", "test", "accuracy"): 0.775,
            ("5dot", "test", "accuracy"): 0.625,
            ("5dot", "test", "robustness-ratio"): pytest.approx((0.6 / 0.8 + 0.65 / 0.85) / 2, abs=1e-9),
            ("mnist", "test", "accuracy"): 0.425,
            ("mnist", "test", "robustness-ratio"): pytest.approx((0.4 / 0.8 + 0.45 / 0.85) / 2, abs=1e-9),
        }
    assert index[0]["results"][0]["metrics"][0]["name"] == "top-1, mean over 4 trials"


def test_every_trial_has_a_row_with_its_own_numbers(tables: Tables) -> None:
    shared = TRIALS[0].trial_id
    table = rows_below(text_of(tables, TemporalShape(), (shared,)), "The models")
    assert table["trial"].tolist() == [
        f"[{each}]({each}/model.safetensors)" if each == shared else each for each in tables.trials["trial_id"]
    ]
    for row in table.to_dict("records"):
        trial_id = str(row["trial"]).strip("[").partition("]")[0]
        trial = tables.trials.set_index("trial_id").loc[trial_id]
        assert (row["hidden units"], row["seed"], row["epoch"]) == (str(trial["hidden_units"]), str(trial["seed"]), "4")
        assert row["parameters"] == str(1000 * trial["hidden_units"])
        for each in tables.evaluations.query("trial_id == @trial_id").to_dict("records"):
            assert row[f"{each['target']} {each['split']}"] == f"{100 * each['top1']:.1f}"


def test_results_and_verdicts_are_those_of_the_tables(tables: Tables) -> None:
    analysis = Analysis(tables, TemporalShape())
    card = text_of(tables, TemporalShape())
    (figure3,) = [sheet for sheet in analysis.sheets if sheet.name == "figure3-2dot"]
    assert rows_below(card, "Results").to_numpy().tolist() == figure3.shown.astype(str).to_numpy().tolist()
    assert f"## Results\n\n{analysis.stamp}.\n" in card
    verdicts = rows_below(card, "Verdicts")
    decided = decided_first(analysis.verdicts)
    assert verdicts["verdict"].tolist() == [each.outcome for each in decided]
    assert verdicts["the paper says"].tolist() == [each.claim.quote for each in decided]


def test_the_recipe_is_told_as_it_was(tables: Tables) -> None:
    table = rows_below(text_of(tables, TemporalShape()), "How they were trained")
    assert table["model"].tolist() == ["3D CNN", "ConvLSTM"]
    told = {name: set(table[name]) for name in ("learning rate", "batch size", "weight decay", "precision", "stop at")}
    assert told == {
        "learning rate": {"0.001"}, "batch size": {"64"}, "weight decay": {"1e-05"}, "precision": {"32"},
        "stop at": {"-"},
    }  # fmt: skip
    assert "momentum" not in table


def test_what_differs_from_the_usual_recipe_is_told(tmp_path: Path) -> None:
    ledger = Ledger(Storage.at(tmp_path / "sweep"))
    for trial in trials_of(Recipe(precision="32", momentum=0.5))[:2]:
        finish(ledger, trial)
    card = text_of(load(tmp_path / "sweep"), TemporalShape())
    assert rows_below(card, "How they were trained")["momentum"].tolist() == ["0.5"]


def test_two_recipes_are_told_apart(tables: Tables, tmp_path: Path) -> None:
    for trial in trials_of(Recipe(precision="32", batch_size=16))[:2]:
        finish(Ledger(Storage.at(tmp_path / "sweep")), trial)
    card = text_of(load(tmp_path / "sweep"), TemporalShape())
    names = [each["name"] for each in front_of(card)["model-index"]]
    assert sorted(names) == [
        "3D CNN trained on 2dot, batch 16", "3D CNN trained on 2dot, batch 64", "ConvLSTM trained on 2dot, batch 64",
    ]  # fmt: skip
    assert rows_below(card, "The models")["recipe"].value_counts().to_dict() == {"batch 64": 8, "batch 16": 2}
    assert "\nbatch 16: " in card.split("## Verdicts")[1]


def test_a_study_from_elsewhere_says_that_nobody_stated_a_licence(tables: Tables) -> None:
    card = text_of(tables, OtherStudy("mine"))
    front = front_of(card)
    assert front["license"] == "unknown"
    assert front["tags"] == ["video-classification", "rac-ray"]
    assert "# Models of mine\n" in card
    assert "Nobody has stated a licence. Ask whoever shares this before you use it." in card
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == [
        "How to load a model", "The models", "How they were trained", "Results", "What the models are for", "Licence",
    ]  # fmt: skip
    ModelCard(card, ignore_metadata_errors=False)


def test_a_card_of_temporal_shape_has_all_its_parts(tables: Tables) -> None:
    card = text_of(tables, TemporalShape(), (TRIALS[0].trial_id,))
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == [
        "How to load a model", "The models", "How they were trained", "Results", "Verdicts", "What the models are for",
        "Limits", "Licence", "More", "Citation",
    ]  # fmt: skip
    assert card.count("```") == 4
    assert "\n\n\n" not in card


def test_a_ratio_that_nobody_has_is_no_metric() -> None:
    """A model that never got an answer right on its validation clips has no ratio."""
    found = sweep(lambda *_: 0.0, models=("cnn3d",), sizes=(2,), seeds=(42,), of_clips=0.0, between_seeds=0.0)
    found.trials["selection_rule"], found.trials["device"] = "best", "cpu"
    (model,) = front_of(text_of(found, SHAPES))["model-index"]
    types = {metric["type"] for each in model["results"] for metric in each["metrics"]}
    assert types == {"accuracy"}
