import pytest

from rac_ray.errors import BadInput, needs_extra, one_of


def test_the_sentence_names_the_value_and_the_valid_ones() -> None:
    assert str(one_of("model", "rnn", ["a", "b"])) == "unknown model 'rnn'; valid: a, b"


def test_what_an_extra_brings_is_told_by_its_name() -> None:
    sentence = r"^no_such_package is not installed; valid: after pip install 'rac-ray\[diving48\]'$"
    with pytest.raises(BadInput, match=sentence), needs_extra("diving48"):
        import no_such_package  # noqa: F401  # pyright: ignore[reportMissingImports]
    with pytest.raises(ZeroDivisionError), needs_extra("diving48"):
        _ = 1 / 0
