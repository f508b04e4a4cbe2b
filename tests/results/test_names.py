"""What domains and evaluation sets are called."""

from rac_ray.results.names import DomainWords, domain_name, set_name

DOMAINS = {"mnist_bg": DomainWords("MNIST-bg", "a digit on noise")}


def test_a_domain_has_its_studys_name_or_its_key() -> None:
    assert domain_name(DOMAINS, "mnist_bg") == "MNIST-bg"
    assert domain_name(DOMAINS, "fog") == "fog"


def test_the_split_is_told_of_the_sources_own_sets_and_where_it_is_no_test() -> None:
    assert set_name(DOMAINS, "mnist_bg", "test", "target") == "MNIST-bg"
    assert set_name(DOMAINS, "mnist_bg", "test", "source_test") == "MNIST-bg test"
    assert set_name(DOMAINS, "mnist_bg", "val", "source_val") == "MNIST-bg validation"
    assert set_name(DOMAINS, "fog", "paired", "paired") == "fog paired"
