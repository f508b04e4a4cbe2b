"""Tables with few columns and names."""

import pandas as pd

from rac_ray.results.names import DomainWords
from rac_ray.results.page_tables import columns_of, comparison_page, spread_page
from rac_ray.results.sheet import Sheet

DOMAINS = {"mnist_bg": DomainWords("MNIST-bg", ""), "2dot": DomainWords("2Dot", "")}
NAN = float("nan")
COMPARED = pd.DataFrame(
    {
        "source": "2dot",
        "first": ["convlstm", "convlstm"],
        "second": ["cnn3d", "timesformer1"],
        "target": "mnist_bg",
        "estimate": [0.071, NAN],
        "low": [-0.0594, NAN],
        "high": [0.2222, NAN],
        "holm": [0.0004, NAN],
        "pairs": [3, 3],
        "improvement": [0.714, NAN],
        "same_accuracy": [NAN, NAN],
        "same_accuracy_low": [NAN, NAN],
        "same_accuracy_high": [NAN, NAN],
    }
)


def test_a_comparison_is_told_with_names_and_two_digits() -> None:
    page = comparison_page(COMPARED, [3, 3], DOMAINS, ["2dot"])
    assert page.to_numpy().tolist() == [
        ["ConvLSTM less 3D CNN", "MNIST-bg", "+0.07 [-0.06, +0.22]", "<0.001", "71%", "-"],
        ["ConvLSTM less TimeSf-1", "MNIST-bg", "at chance: no ratio", "-", "-", "-"],
    ]


def test_two_seeds_have_neither_interval_nor_p() -> None:
    row = comparison_page(COMPARED, [2, 3], DOMAINS, ["2dot"]).iloc[0]
    assert row.tolist()[2:4] == ["+0.07*", "-"]


def test_models_without_a_pair_of_trials_are_not_said_to_be_at_chance() -> None:
    page = comparison_page(COMPARED.assign(pairs=[3, 0]), [3, 0], DOMAINS, ["2dot"])
    assert page["difference of the ratio"].tolist() == ["+0.07 [-0.06, +0.22]", "no pair of trials"]


def test_several_sources_are_told_apart() -> None:
    page = comparison_page(COMPARED, [3, 3], DOMAINS, ["2dot", "mnist_bg"])
    assert page["trained on"].tolist() == ["2Dot", "2Dot"]


def test_rows_that_say_nothing_are_left_out_and_counts_are_for_who_asks() -> None:
    shown = pd.DataFrame(
        {
            "model": ["3D CNN", "3D CNN"],
            "trials": [3, 3],
            "statistic": ["ratio", "area"],
            "never learned": "none",
            "mnist": ["0.60 [0.32, 0.88]", "-"],
        }
    )
    page = spread_page(shown, ["mnist"])
    assert page.to_numpy().tolist() == [["3D CNN", "robustness ratio", "none", "0.60 [0.32, 0.88]"]]
    first, more = columns_of(Sheet("robustness-2dot", "", shown, shown, page), DOMAINS)
    assert first.shape == (1, 4)
    assert (list(more), more.to_numpy().tolist()) == (["trials"], [[3]])


def test_keys_of_models_and_domains_have_their_names() -> None:
    table = pd.DataFrame({"model": ["timesformer8"], "source": ["mnist_bg"], "best_epoch": ["3"]})
    first, more = columns_of(Sheet("x", "", table, table), DOMAINS)
    assert (list(first), first.to_numpy().tolist()) == (
        ["model", "source", "best epoch"],
        [["TimeSf-8", "MNIST-bg", "3"]],
    )
    assert more.empty
