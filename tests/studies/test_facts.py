"""What studies say of themselves on cards, against what their clips are."""

import re

import pytest

from rac_ray.studies.diving48.dataset import OFFICIAL_COLUMNS
from rac_ray.studies.diving48.shape_texture import DOMAINS as EDITS
from rac_ray.studies.diving48.study import SOURCE, Diving48
from rac_ray.studies.study import Study
from rac_ray.studies.temporal_shape.dataset import COLUMNS
from rac_ray.studies.temporal_shape.domains import DOMAINS, KNOWN, SPLITS
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.studies.temporal_shape.trajectories import LABEL_NAMES

LICENCES = {"apache-2.0", "cc-by-sa-3.0", "unknown", "other"}
"""Identifiers of licences that Hugging Face knows, of those that are used here."""


def test_temporal_shapes_domains_splits_and_columns_are_all_told() -> None:
    facts = TemporalShape.facts
    assert list(facts.domains) == list(KNOWN)
    assert list(facts.splits) == list(SPLITS)
    assert list(facts.columns) == COLUMNS.names
    for domain, width in (("2dot", 3), ("5dot", 5)):
        assert DOMAINS[domain].dot_width == width
        assert f"{width} x {width} pixels" in facts.domains[domain]
    assert all(name in facts.columns["label_name"] for name in LABEL_NAMES)


def test_diving48s_domains_and_columns_are_told() -> None:
    facts = Diving48.facts
    assert set(facts.domains) == {SOURCE, *EDITS}
    assert set(facts.columns) <= set(OFFICIAL_COLUMNS.names)
    assert {"clip_id", "label", "frames", "source_video"} <= set(facts.columns)
    assert not facts.may_be_shared


@pytest.mark.parametrize("study", [TemporalShape, Diving48])
def test_every_fact_is_a_sentence_with_a_licence_and_a_source(study: type[Study]) -> None:
    facts = study.facts
    sentences = (*facts.limits, *facts.intended, *facts.differences, facts.summary, facts.how_made)
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in sentences)
    assert {facts.weights_licence.name, facts.data_licence.name} <= LICENCES
    assert all(link.startswith("http") for link in facts.links.values())
    assert re.match(r"@\w+\{\w+,\n", facts.citation)
    assert facts.citation.count("{") == facts.citation.count("}")


def test_mnist_is_under_its_own_licence() -> None:
    assert TemporalShape.facts.data_licence.name == "cc-by-sa-3.0"
    assert "CC BY-SA 3.0" in TemporalShape.facts.weights_licence.says
