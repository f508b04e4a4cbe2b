import numpy as np
import pytest

from rac_ray.studies.diving48.published import AVERAGES, PRINTED_RATIOS, VALIDATION_TOP1, top1


@pytest.mark.parametrize("experiment", PRINTED_RATIOS)
def test_a_printed_row_agrees_with_itself(experiment: str) -> None:
    """T/S1 is (T/V) / (S1/V), to the digits printed."""
    for row in PRINTED_RATIOS[experiment].values():
        assert row.t / row.s1 == pytest.approx(row.t_over_s1, abs=0.01)


def test_implied_accuracies_are_those_of_the_facts() -> None:
    """facts.md section 5: experiment a, 3D CNN S1 7.6, S2 7.4, T 7.7 %; d, ConvLSTM 11.6, 12.4, 6.8 %."""
    first, last = top1("a", "cnn3d"), top1("d", "convlstm")
    assert [100 * first[place] for place in ("s1", "s2", "t")] == pytest.approx([7.6, 7.4, 7.7], abs=0.06)
    assert [100 * last[place] for place in ("s1", "s2", "t")] == pytest.approx([11.6, 12.4, 6.8], abs=0.06)
    assert (first["val"], last["val"]) == (0.30, 0.5007)


def test_table_1_lies_near_the_tables_that_it_averages() -> None:
    for model, (mean, deviation) in AVERAGES.items():
        rows = [rows[model] for rows in PRINTED_RATIOS.values() if model in rows]
        assert abs(np.mean([row.t for row in rows]) - mean.t) < 2 * deviation.t
    assert set(VALIDATION_TOP1) == set(PRINTED_RATIOS)
