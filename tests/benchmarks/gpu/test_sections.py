import pytest

from benchmarks.gpu.sections import SECONDS, SECTIONS, Section, allowance, chosen, rounds
from rac_ray.errors import BadInput

SECTION = Section("precision", "", least=20, most=90, alone=False)


def test_a_section_gets_no_more_than_its_most_nor_than_is_left() -> None:
    assert allowance(SECTION, 480) == 90
    assert allowance(SECTION, 50) == 50
    assert allowance(SECTION, 20) == 20
    assert allowance(SECTION, 19.9) is None


def test_with_more_time_in_all_a_section_gets_more_and_with_less_no_less() -> None:
    assert allowance(SECTION, 480, 2 * SECONDS) == 180
    assert allowance(SECTION, 480, SECONDS / 2) == 90


def test_sections_are_chosen_by_name_in_their_own_order() -> None:
    assert [section.name for section in chosen(["speed", "fits"])] == ["fits", "speed"]
    with pytest.raises(BadInput, match="speedy"):
        chosen(["speedy"])


def test_what_times_nothing_runs_side_by_side_and_what_does_alone() -> None:
    together, *others = rounds(SECTIONS)
    assert {section.name for section in together} == {"precision", "fits", "minisweep", "group"}
    assert [[section.name for section in each] for each in others] == [["speed"], ["epochs"], ["packing"]]
    assert rounds(chosen(["packing"])) == [chosen(["packing"])]


def test_all_sections_fit_the_time_in_which_they_are_promised() -> None:
    assert sum(max(section.least for section in together) for together in rounds(SECTIONS)) < SECONDS
