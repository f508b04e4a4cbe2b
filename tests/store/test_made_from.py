"""What clips were made from, in a record that comes to tell of more parts."""

from typing import Any

import pytest

from rac_ray.store.made_from import with_parts

SPEC = {"kind": "shapes", "spec": {"size": 64}}
KANNADA, OTHER, TIBETAN = (
    {"name": name, "digest": digest} for name, digest in (("kannada", "1"), ("kannada", "2"), ("tibetan", "1"))
)


def of(clips: dict[str, int], *symbols: dict[str, str], **more: Any) -> dict[str, Any]:
    return {**SPEC, "clips": clips, **({"symbols": [*symbols]} if symbols else {}), **more}


@pytest.mark.parametrize(
    ("own", "other", "newer", "expected"),
    [
        (of({"a/test": 5, "b/test": 5}), of({"b/test": 9, "c/test": 9}), [], {"a/test": 5, "b/test": 5, "c/test": 9}),
        (of({"b/test": 5}), of({"b/test": 9, "c/test": 9}), ["b/test"], {"b/test": 9, "c/test": 9}),
        (of({"b/test": 5}), of({"c/test": 9}), ["d/test"], {"b/test": 5, "c/test": 9}),
        (of({"b/test": 5}), of({"c/test": 9}, spec={"size": 32}), [], {"b/test": 5}),
        (of({"b/test": 5}), of({"c/test": 9}, data="/there"), [], {"b/test": 5}),
        (of({"b/test": 5}), {**SPEC, "clips": 7}, [], {"b/test": 5}),
        (of({"b/test": 5}), {**SPEC, "symbols": [7]}, [], {"b/test": 5}),
    ],
)
def test_parts_of_which_only_the_other_tells_are_added_where_all_else_is_the_same(
    own: dict[str, Any], other: dict[str, Any], newer: list[str], expected: dict[str, int]
) -> None:
    assert with_parts(own, other, newer) == of(expected)


@pytest.mark.parametrize(
    ("own", "other", "newer", "expected"),
    [
        ([KANNADA], [OTHER, TIBETAN], [], [KANNADA, TIBETAN]),
        ([KANNADA], [OTHER], ["kannada/test"], [OTHER]),
        ([], [TIBETAN], [], [TIBETAN]),
        ([TIBETAN], [], ["kannada/test"], [TIBETAN]),
    ],
)
def test_so_are_symbols(own: list[Any], other: list[Any], newer: list[str], expected: list[Any]) -> None:
    assert with_parts(of({}, *own), of({}, *other), newer) == of({}, *expected)


def test_one_alone_stays_as_it_is() -> None:
    folder = {"clip_shape": [16, 64, 64, 3], "data": "/here"}
    assert with_parts(None, None) is None
    assert with_parts(None, SPEC) == with_parts(SPEC, None) == SPEC
    assert with_parts(folder, {**folder, "data": "/there"}) == with_parts(folder, folder) == folder
