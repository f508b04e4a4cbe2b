from rac_ray.errors import one_of


def test_the_sentence_names_the_value_and_the_valid_ones() -> None:
    assert str(one_of("model", "rnn", ["a", "b"])) == "unknown model 'rnn'; valid: a, b"
