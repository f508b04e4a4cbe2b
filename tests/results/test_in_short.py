"""Three sentences on a sweep with a known truth."""

from dataclasses import replace

from rac_ray.results.analysis import Analysis
from rac_ray.results.in_short import in_short
from tests.results.synthetic import sweep
from tests.results.test_analysis import SHAPES

EASE = {"2dot": 0.8, "5dot": 0.7, "mnist": 0.5, "mnist_bg": 0.3, "mnist_bg_half": 0.4}


def test_who_learned_which_domains_are_hard_and_which_models_keep_most() -> None:
    tables = sweep(
        lambda model, _h, _source, target: 0.2 if model == "timesformer1" else EASE[target],
        models=("cnn3d", "timesformer1"),
        sizes=(2, 8),
        seeds=(1, 2, 3),
        between_seeds=0.0,
        of_clips=0.0,
        clips=1000,
    )
    learned, hard, kept = in_short(Analysis(tables, SHAPES))
    assert learned.startswith("6 of 12 trials that trained on 2dot have learned: on new clips of it 8")
    assert "% of answers (3D CNN), " in learned
    assert learned.endswith("% (TimeSf-1) are right; guessing is right in 20%.")
    assert " are right on 5dot and " in hard
    assert "% on mnist_bg: the easiest and the hardest domain" in hard
    assert kept.startswith("Of what they know beyond guessing, models keep this much with other looks: 3D CNN ")
    assert "TimeSf-1" not in kept, "it knows nothing beyond guessing"
    assert "that is of 3 seeds" in kept


def test_a_sweep_without_results_says_nothing() -> None:
    tables = sweep(lambda *_: 0.5, sizes=(2,), seeds=(1,), clips=20)
    nothing = replace(tables, evaluations=tables.evaluations.head(0), predictions=tables.predictions.head(0))
    assert in_short(Analysis(nothing, SHAPES)) == []
