import pytest

from benchmarks.gpu.sections import SECONDS, SECTIONS, Section, allowance, chosen, least_of, rounds
from rac_ray.errors import BadInput

SECTION = Section("precision", "", least=20, most=90, alone=False)


def test_a_section_gets_no_more_than_its_most_nor_than_is_left() -> None:
    assert allowance(SECTION, 480) == 90
    assert allowance(SECTION, 50) == 50
    assert allowance(SECTION, 20) == 20
    assert allowance(SECTION, 19.9) is None


def test_a_section_leaves_to_later_ones_what_they_need_unless_it_would_lack_it_itself() -> None:
    assert allowance(SECTION, 100, later=40) == 60
    assert allowance(SECTION, 100, later=95) == 20
    assert allowance(SECTION, 300, later=40) == 90


def test_with_more_time_in_all_a_section_gets_more_and_with_less_no_less() -> None:
    assert allowance(SECTION, 480, total=2 * SECONDS) == 180
    assert allowance(SECTION, 480, total=SECONDS / 2) == 90


def test_sections_are_chosen_by_name_in_their_own_order() -> None:
    assert [section.name for section in chosen(["speed", "fits"])] == ["fits", "speed"]
    with pytest.raises(BadInput, match="speedy"):
        chosen(["speedy"])


def test_only_what_neither_times_nor_starts_a_ray_runs_side_by_side() -> None:
    together, *others = rounds(SECTIONS)
    assert {section.name for section in together} == {"stacks", "fits", "precision"}
    assert [[section.name for section in each] for each in others] == [
        ["speed"],
        ["epochs"],
        ["minisweep"],
        ["group"],
        ["packing"],
    ]
    assert rounds(chosen(["packing"])) == [chosen(["packing"])]


def test_rounds_need_what_the_longest_of_each_needs() -> None:
    assert least_of([[SECTION, Section("fits", "", least=30, most=90, alone=False)], [SECTION]]) == 50
    assert least_of([]) == 0


def test_every_section_has_its_least_when_all_before_it_take_what_they_may() -> None:
    left, parts = SECONDS, rounds(SECTIONS)
    for place, together in enumerate(parts):
        later = least_of(parts[place + 1 :])
        allowed = [allowance(section, left, later) for section in together]
        assert all(seconds and seconds >= section.least for seconds, section in zip(allowed, together, strict=True))
        left -= max(seconds or 0 for seconds in allowed)
    assert left >= 0
