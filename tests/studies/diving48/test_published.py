import numpy as np
import pytest

from rac_ray.results.claims import Contrast, Term
from rac_ray.results.paper import paper_effect, paper_table
from rac_ray.studies.diving48.claims import DIVING48
from rac_ray.studies.diving48.published import AVERAGES, PRINTED, PRINTED_RATIOS, VALIDATION_TOP1, top1


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


def effects(claim_id: str) -> list[tuple[float, float, str, str]]:
    """By table 1 to 5, by our pairing, over which experiments, and whether that carries it, by contrast."""
    table = paper_table([claim for claim in DIVING48 if claim.claim_id == claim_id], PRINTED)
    return [tuple(row) for row in table[["paper", "paper_paired", "pairs", "carries"]].itertuples(index=False)]


def test_the_condensed_claim_fails_on_table_1_and_turns_round_when_paired() -> None:
    """By hand, facts.md section 5. T/V: 3D CNN .221, TimeSf .190, ConvLSTM .185; over a to d .232 and .190, over a to c
    TimeSf .205, ConvLSTM .208. Mean of S1/V and S2/V: ConvLSTM .248, 3D CNN .2575, TimeSf .1755."""
    found = effects("diving-condensed")
    assert [row[2:] for row in found] == [
        ("abcd", "yes"), ("abc", "both ways"), ("abcd", "yes"), ("abc", "yes"), ("abcd", "both ways"), ("abc", "yes"),
    ]  # fmt: skip
    assert [row[0] for row in found] == pytest.approx([0.036, 0.005, 0.071, 0.293, 0.248 - 0.2575, 0.0725])
    shapes = {
        "cnn3d": [0.249, 0.2315, 0.219, 0.238],
        "convlstm": [0.264, 0.244, 0.2935, 0.240],
        "timesformer": [0.2005, 0.153, 0.155],
    }
    of = {model: np.mean(values) for model, values in shapes.items()}
    recurrent = np.mean(shapes["convlstm"][:3])
    assert [row[1] for row in found] == pytest.approx(
        [
            (0.257 + 0.243 + 0.237 + 0.191 - 0.238 - 0.199 - 0.187 - 0.136) / 4,
            0.205 - 0.208,
            (1.01 + 1.06 + 1.09 + 0.815 - 0.965 - 0.919 - 0.669 - 0.586) / 4,
            (1.27 + 1.24 + 1.13 - 0.965 - 0.919 - 0.669) / 3,
            of["convlstm"] - of["cnn3d"],
            recurrent - of["timesformer"],
        ]
    )


def test_the_most_robust_on_s1_depends_on_the_average_too() -> None:
    """3D CNN .255, ConvLSTM .230 in table 1; over a to d .234 and .24375."""
    assert effects("diving-silhouettes")[0] == (pytest.approx(0.025), pytest.approx(-0.00975), "abcd", "both ways")


def test_one_experiment_has_one_number_and_top_1_is_its_ratio_times_validation() -> None:
    """Experiment c, ConvLSTM: S1 .279 and T .187 of 38.3 %. Experiment d: T/S1 .815 and .586."""
    found = paper_table(DIVING48, PRINTED).set_index("contrast")
    c = "top-1 of convlstm on s1 in c (from original) > top-1 of convlstm on t in c (from original)"
    assert found.loc[c, "paper"] == pytest.approx((0.279 - 0.187) * 0.383)
    assert found.loc[c, ["where", "pairs", "carries"]].tolist() == ["table 4", "c", "yes"]
    assert found.loc[c, "in_words"] == "the paper's own numbers: +0.035 (table 4)"
    first, second = (Term(model, "original", "t", against="s1", experiments="d") for model in ("cnn3d", "convlstm"))
    d = Contrast(first, second)
    assert paper_effect(d, PRINTED).averages == pytest.approx(0.229)


def test_what_is_only_drawn_is_not_printed() -> None:
    """Experiments e to h; their means that follow from table 1 are inferred, and are not used."""
    for claim_id in ("diving-equal-size", "diving-equal-size-texture", "diving-equal-size-attention"):
        assert {row[3] for row in effects(claim_id)} == {"not printed"}
    everything = paper_table(DIVING48, PRINTED)["carries"].value_counts().to_dict()
    assert everything == {"yes": 32, "not printed": 11, "both ways": 4}
