"""Names and listings of local folders."""

import os
from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.store.local import absolute, walked


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("caf\udce9", r"'caf\\udce9' cannot be a folder: its name is not UTF-8$"),
        ("~nobody-of-this-name/x", r"'~nobody-of-this-name/x' cannot be a folder: Could not determine home directory"),
        ("a\0b", r"'a\\x00b' cannot be a folder: embedded null byte$"),
    ],
)
def test_a_name_that_leads_nowhere_is_named(name: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        absolute(name)


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(BadInput, match=r"/loop' cannot be a folder: Symlink loop"):
        absolute(str(tmp_path / "loop"))


def test_a_relative_name_in_a_folder_that_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(BadInput, match=r"storage 'x' cannot be found: the current folder has been removed$"):
        absolute("x")


def test_links_in_a_circle_end_and_a_real_folder_keeps_its_name(tmp_path: Path) -> None:
    """Two links of a folder to itself would be listed 2^40 times."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b/record.json").write_text("12")
    for name in ("a", "c", "d"):
        (tmp_path / name).symlink_to(tmp_path if name == "a" else tmp_path / "b")
        (tmp_path / "b" / name).symlink_to(tmp_path)
    assert {name: found.st_size for name, found in walked(tmp_path)} == {"b/record.json": 2}


def test_a_link_to_another_disk_is_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("1")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/trials").symlink_to(elsewhere)
    (tmp_path / "here/link").symlink_to(elsewhere / "file")
    (tmp_path / "here/nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "here/loop").symlink_to(tmp_path / "here/loop")
    os.mkfifo(tmp_path / "here/pipe")
    assert [name for name, _ in walked(tmp_path / "here")] == ["link", "trials/file"]
    assert list(walked(tmp_path / "not there")) == []
