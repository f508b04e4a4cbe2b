"""Studies by the names that records have."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rac_ray.errors import BadInput
from rac_ray.results.tables import Tables
from rac_ray.studies import own_values, study_named, study_of
from rac_ray.studies.other import OtherStudy


def tables_of(*names: str | None) -> Tables:
    nothing = pd.DataFrame(columns=["trial_id"])
    return Tables(pd.DataFrame({"trial_id": range(len(names)), "study": names}), nothing, nothing, nothing, nothing)


@pytest.mark.parametrize(
    ("recorded", "name"), [("ts_grid", "ts_grid"), ("temporal_shape", "ts_grid"), ("diving48", "diving48")]
)
def test_studies_of_this_package_are_known_by_name(recorded: str, name: str) -> None:
    study = study_named(recorded)
    assert study.name == name
    assert study.claims
    assert not isinstance(study, OtherStudy)


def test_the_studys_own_values_of_variants_are_known_by_name() -> None:
    assert own_values("ts_grid") == own_values("temporal_shape") == {"spec": "released", "feed": "stored"}
    assert own_values("diving48") == {"validation": "authors", "flip_validation": "yes", "codec": "yes"}
    assert own_values("own_videos") == own_values("") == {}


def test_others_have_what_every_study_has() -> None:
    study = study_of(tables_of("own_videos", "own_videos", None))
    assert (study.name, study.claims, study.class_names(3)) == ("own_videos", (), ["0", "1", "2"])
    assert list(study.figures("kitchen")) == ["figure3", "figure4", "parameters", "profiles", "learning-curves"]


def test_records_of_several_studies_are_refused() -> None:
    with pytest.raises(BadInput, match="records of several studies in one folder: one, two; valid: of one"):
        study_of(tables_of("two", "one"))


@pytest.mark.parametrize(
    "module",
    ["rac_ray.studies", "rac_ray.studies.temporal_shape.results", "rac_ray.studies.diving48.results"],
)
def test_a_studys_results_need_neither_ray_nor_torch(module: str) -> None:
    script = f"import sys, {module}; assert not {{'ray', 'torch', 'pytorch_lightning'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_results_name_no_study() -> None:
    root = Path(__file__).parents[2] / "rac_ray"
    names = re.compile(
        r"temporal.?shape|diving|2dot|5dot|mnist|optdigits|\bs1\b|rac_ray\.studies\.\w+\.", re.IGNORECASE
    )
    files = [path for path in root.joinpath("results").rglob("*") if path.suffix in (".py", ".js", ".html")]
    assert len(files) > 25
    assert [path.name for path in files if names.search(path.read_text())] == []
