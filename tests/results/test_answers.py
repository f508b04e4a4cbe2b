from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rac_ray.errors import BadInput
from rac_ray.results.answers import Answers
from tests.results.synthetic import sweep


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers.of(sweep(lambda model, size, source, target: 0.6, models=("cnn3d", "convlstm"), sizes=(2, 4)))


def test_the_first_row_is_what_was_observed(answers: Answers) -> None:
    rows = answers.evaluations.query("target == '5dot'").set_index("trial_id")["top1"]
    np.testing.assert_allclose(answers.top1[("5dot", "test")][0], rows.loc[answers.trials["trial_id"]])


def test_all_trials_see_the_same_resampled_clips(answers: Answers) -> None:
    """Shared difficulty moves all trials together: their draws correlate, and scatter by sqrt(p (1 - p) / n)."""
    draws = answers.top1[("mnist", "test")][1:]
    assert np.asarray(np.corrcoef(draws.T))[0, 1:].min() > 0.05
    assert draws.std(axis=0).mean() == pytest.approx(np.sqrt(0.24 / 300), rel=0.1)
    np.testing.assert_allclose(draws.mean(axis=0), answers.top1[("mnist", "test")][0], atol=0.005)


def test_ratios_divide_by_the_role_that_they_name(answers: Answers) -> None:
    places = answers.places(model="cnn3d", hidden_units=4)
    assert len(places) == 5
    part, rows = ("mnist", "test"), answers.evaluations.set_index(["trial_id", "target", "split"])
    for name in ("robustness_ratio", "chance_corrected_ratio", "ratio_to_source_test"):
        expected = [rows.loc[(trial_id, *part), name] for trial_id in answers.trials["trial_id"].iloc[places]]
        np.testing.assert_allclose(answers.measure(name, part, places)[0], expected)
    both = answers.top1[part][:, places] / answers.top1[("5dot", "test")][:, places]
    np.testing.assert_allclose(answers.relative(part, "5dot", places), both)
    np.testing.assert_allclose(answers.relative(part, None, places), answers.top1[part][:, places])


def test_each_seeds_trials_are_averaged(answers: Answers) -> None:
    places = answers.places(model="convlstm")
    values = np.tile(answers.trials["seed"].to_numpy(float)[places], (2, 1))
    np.testing.assert_allclose(answers.per_seed(values, places), [[42, 47, 53, 57, 61]] * 2)
    values[0, answers.trials["seed"].to_numpy()[places] == 42] = np.nan
    assert answers.per_seed(values, places).shape == (2, 4)


def test_an_evaluation_set_that_nobody_was_asked_has_no_top1(answers: Answers) -> None:
    assert np.isnan(answers.measure("top1", ("t", "test"), answers.places(seed=42))).all()


def test_a_grid_is_whole(answers: Answers) -> None:
    """Sizes that at least half of the seeds have, seeds that have all of those; experiments instead where there are."""
    places = answers.places(source="2dot", model="cnn3d")
    whole = answers.grid(places)
    seeds, sizes = (answers.trials[name].to_numpy()[places] for name in ("seed", "hidden_units"))
    assert whole.shape == (len(set(seeds)), len(set(sizes)))
    assert (answers.trials["seed"].to_numpy()[whole] == np.unique(seeds)[:, None]).all()
    assert (answers.trials["hidden_units"].to_numpy()[whole] == np.unique(sizes)).all()
    late = places[(sizes == sizes.max()) & (seeds != seeds[0])]
    assert answers.grid(np.setdiff1d(places, late)).tolist() == whole[:, :-1].tolist()
    one = places[(sizes == sizes.max()) & (seeds == seeds[0])]
    row = np.unique(seeds).tolist().index(seeds[0])
    assert answers.grid(np.setdiff1d(places, one)).tolist() == np.delete(whole, row, axis=0).tolist()
    named = replace(answers, trials=answers.trials.assign(experiment=answers.trials["hidden_units"].astype(str)))
    assert (named.strata, answers.strata) == (["experiment"], ["size", "hidden_units"])
    assert named.grid(places).shape == whole.shape


def test_roles_are_in_the_studys_order(answers: Answers) -> None:
    assert answers.parts("2dot", ["source_val", "target"])[:3] == [("2dot", "val"), ("5dot", "test"), ("mnist", "test")]
    assert answers.models("2dot") == ["cnn3d", "convlstm"]
    assert answers.sources == ["2dot"]


def test_two_presets_in_one_folder_are_not_mixed() -> None:
    first, second = (sweep(lambda *_: 0.6, models=("cnn3d",), sizes=(2,), seeds=(1,), draw=draw) for draw in (0, 1))
    renamed = {
        name: pd.concat([frame, getattr(second, name).assign(trial_id="ffffffffffff")])
        for name, frame in vars(first).items()
        if len(frame)
    }
    with pytest.raises(BadInput, match="2 trials have the same model, size, source and seed as another one"):
        Answers.of(replace(first, **renamed))


def test_a_trial_that_was_not_asked_about_its_validation_clips_is_named() -> None:
    tables = sweep(lambda *_: 0.7, models=("cnn3d",), sizes=(2,), seeds=(1, 2), clips=20)
    trials = tables.trials.astype({"learned": "boolean"})
    trials.loc[1, "learned"] = pd.NA
    said = f"^trial {trials.loc[1, 'trial_id']} was not asked about its source's validation clips; valid: "
    with pytest.raises(BadInput, match=said):
        Answers.of(replace(tables, trials=trials))
