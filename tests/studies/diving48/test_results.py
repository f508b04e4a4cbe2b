from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import drawings
from rac_ray.studies.diving48.results import dive_names
from rac_ray.studies.diving48.study import Diving48
from tests.studies.diving48.sweep import DIVES, diving_sweep


def test_classes_are_called_by_their_attributes() -> None:
    names = dive_names(48)
    assert len(set(names)) == 48
    assert names[34].split()[0] == "Inward"


def test_its_tables_and_figures_stand_beside_the_common_ones() -> None:
    """No top-5 and no clips in common of S1 and S2: two of its three tables are left out."""
    analysis = Analysis(diving_sweep(lambda model, target: 0.4 if target == "original" else 0.2), DIVES)
    names = [sheet.name for sheet in analysis.sheets]
    assert names[:5] == [*(f"{name}-original" for name in COMMON_SHEETS), "diving48"]
    assert "claims" in names
    assert names[-1] == "claims-in-the-paper"
    assert [name for name in names if name.startswith(tuple(Diving48.printed))] == ["figure3-original", "diving48"]
    assert [drawing.name for drawing in drawings(analysis)][:3] == [
        "figure5-original",
        "figure6-original",
        "table1-original",
    ]


COMMON_SHEETS = ("figure3", "robustness", "figure4", "accuracy-by-size")
