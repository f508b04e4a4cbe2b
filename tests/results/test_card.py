"""The file of a card: YAML that reads back, sections without gaps."""

import yaml

from rac_ray.results.card import bullets, card, licence_of, number, section
from rac_ray.results.study_facts import Licence


def test_front_matter_reads_back_and_says_nothing_empty() -> None:
    front = {"license": "mit", "tags": [], "name": "", "says": 'é: # "quoted"', "count": 0}
    head, body = card(front, ["# A title", "", "text", ""]).decode().removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(head) == {"license": "mit", "says": 'é: # "quoted"', "count": 0}
    assert body == "\n# A title\n\ntext\n"


def test_a_section_without_lines_is_none() -> None:
    assert section("Limits", []) == []
    assert section("Limits", bullets(["One.", "Two."])) == ["## Limits", "", "- One.\n- Two.", ""]


def test_a_licence_of_its_own_has_name_and_address() -> None:
    own = Licence("other", "Only on Sundays.", "sunday", "https://example.org/sunday")
    assert licence_of(own) == {
        "license": "other", "license_name": "sunday", "license_link": "https://example.org/sunday",
    }  # fmt: skip
    assert licence_of(Licence())["license"] == "unknown"


def test_numbers_have_ten_digits() -> None:
    assert number(1 / 3) == 0.3333333333
    assert number(0.625) == 0.625
