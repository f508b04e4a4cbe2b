import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.store.lock import Busy, Lock, holding
from rac_ray.store.storage import Storage
from tests.linkless import unmount


def test_writes_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    storage.write_bytes("a/b.bin", b"first")

    def broken_write() -> None:
        with storage.writing("a/b.bin") as path:
            Path(path).write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_write()
    assert storage.read_bytes("a/b.bin") == b"first"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.bin"]


def test_sigkill_while_writing_leaves_the_old_content(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from rac_ray.store.storage import Storage\n"
        "with Storage.at(sys.argv[1]).writing('record.json') as path:\n"
        "    Path(path).write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    storage = Storage.at(tmp_path)
    storage.write_json("record.json", {"whole": True})
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert storage.read_json("record.json") == {"whole": True}
    assert storage.names() == ["record.json"]
    assert len(list(tmp_path.iterdir())) == 2


def test_names_delete_and_below(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    assert storage.names("nowhere") == []
    storage.write_bytes("x/2", b"")
    storage.write_bytes("x/1", b"")
    assert storage.names("x") == storage.below("x").names() == ["1", "2"]
    storage.below("x").delete("1")
    storage.delete("x/never-there")
    assert storage.names("x") == ["2"]
    assert storage.exists("x/2")
    assert not storage.exists("x/1")


def test_other_file_systems_through_pyarrow(tmp_path: Path) -> None:
    """A ``file://`` URI goes the way that other file systems go: write elsewhere, copy, and rename on success."""
    storage = Storage.at(f"file://{tmp_path}/store")
    assert not storage.is_local
    storage.write_json("deep/er.json", [1])
    assert storage.read_json("deep/er.json") == [1]
    with (tmp_path / "store/deep/er.json").open() as reader:
        storage.write_json("deep/er.json", [2])
        assert json.load(reader) == [1], "a reader has what it has opened"
    assert storage.read_json("deep/er.json") == [2]
    assert list(storage.sizes("deep")) == ["er.json"]
    assert storage.sizes("deep", temporary=True) == {}


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(BadInput, match="cannot open storage 'nope://x'"):
        Storage.at("nope://x").exists("a")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "file/results"):
        with pytest.raises(BadInput, match=rf"/{name}' leads through '.*/file', a file; valid: a folder, also a new"):
            Storage.at(tmp_path / name).require_folder()
    Storage.at(tmp_path).require_folder()
    Storage.at(tmp_path / "new").require_folder()


def test_storage_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written: "):
        Storage.at(tmp_path / "file" / "results").require_room(0)


def test_more_than_is_free_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path / "new")
    with pytest.raises(BadInput, match=r"has \d+ MB free, this sweep needs about 1000000000000 MB"):
        storage.require_room(10**18)
    assert not (tmp_path / "new").exists()
    storage.require_room(1)
    assert storage.names() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """A real, full, one-megabyte file system."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("this machine refuses to mount a tmpfs")
    try:
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "filler").write_bytes(b"x" * 2**21)
        with pytest.raises(BadInput, match="has 0 MB free, this sweep needs about 5 MB"):
            Storage.at(tmp_path / "results").require_room(5_000_000)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_stamps_tell_a_file_that_was_written_again(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    assert storage.below("nothing").stamps() == {}
    storage.write_bytes("a/b.bin", b"1234")
    os.utime(tmp_path / "a/b.bin", ns=(0, 1_700_000_000_123_456_789))
    assert storage.stamps() == {"a/b.bin": (4, 1_700_000_000_123_456_789)}


def test_sizes_of_all_files_in_one_listing(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    assert storage.sizes("nothing") == {}
    for name, content in (("trials/a/record.json", b"12"), ("trials/b/last.ckpt", b"123"), ("driver.json", b"")):
        storage.write_bytes(name, content)
    (tmp_path / "trials/b/best.ckpt.tmp-00aa").write_bytes(b"half")
    assert storage.sizes("trials") == {"a/record.json": 2, "b/last.ckpt": 3}
    assert storage.sizes(temporary=True) == {"trials/b/best.ckpt.tmp-00aa": 4}
    assert set(storage.sizes()) == {"trials/a/record.json", "trials/b/last.ckpt", "driver.json"}


def test_many_files_are_read_and_missing_ones_left_out(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    names = [f"{number}.txt" for number in range(50)]
    for name in names[:40]:
        storage.write_bytes(name, name.encode())
    assert storage.read_all(names) == {name: name.encode() for name in names[:40]}


def test_creating_is_exclusive(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path / "new")
    assert storage.create_json("lock", 1) == "exclusive"
    assert storage.create_json("lock", 2) == "exists"
    assert storage.read_json("lock") == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]


@pytest.fixture
def linkless(tmp_path: Path) -> Iterator[Storage]:
    """A storage on a mount without hard links."""
    shown, mounted = tmp_path / "shown", tmp_path / "mounted"
    for folder in (shown, mounted):
        folder.mkdir()
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.linkless", shown, mounted],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout
        assert program.stderr
        if program.stdout.readline() != "mounted\n":
            pytest.skip(program.stderr.read().splitlines()[-1])
        yield Storage.at(mounted)
        unmount(mounted)
        program.kill()


def test_a_mount_without_hard_links_is_a_storage(linkless: Storage) -> None:
    linkless.write_bytes("trials/a/record.json", b"{}")
    with pytest.raises(PermissionError):
        Path(linkless.root, "link").hardlink_to(Path(linkless.root, "trials/a/record.json"))
    assert linkless.create_json("lock", 1) == "shared"
    assert linkless.create_json("lock", 2) == "exists"
    assert linkless.read_json("lock") == 1
    assert linkless.sizes() == {"lock": 1, "trials/a/record.json": 2}
    assert linkless.sizes(temporary=True) == {}
    linkless.delete("lock")
    assert linkless.names() == ["trials"]


def test_one_holds_a_folder_on_a_mount_without_hard_links(linkless: Storage) -> None:
    """Several ask at once."""
    locks, held = [Lock(linkless, "driver.json") for _ in range(4)], []

    def ask(lock: Lock) -> None:
        with suppress(Busy):
            lock.acquire()
            held.append(lock)

    threads = [threading.Thread(target=ask, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (holder,) = held
    with pytest.raises(Busy):
        Lock(linkless, "driver.json").acquire()
    holder.release()
    with holding(linkless, "driver.json"):
        assert linkless.names() == ["driver.json"]


def test_the_folder_above_and_the_room_left(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path / "results" / "ts_grid")
    assert storage.above == Storage.at(tmp_path / "results")
    file = Storage.at("s3://bucket/theirs.tar.zst?region=eu")
    assert (storage.name, file.name, file.above.root) == ("ts_grid", "theirs.tar.zst", "s3://bucket?region=eu")
    free = storage.free_bytes()
    assert free
    assert free > 0
    assert Storage.at("s3://bucket/results").free_bytes() is None


@pytest.mark.parametrize("text", ["s3:/bucket/folder", "s3:bucket", "gs:/bucket"])
def test_an_address_that_has_lost_a_slash_is_no_local_folder(text: str) -> None:
    scheme = text.partition(":")[0]
    said = f"storage '{text}' is neither a path nor an address; valid: as in {scheme}://bucket/folder"
    with pytest.raises(BadInput) as error:
        Storage.at(text)
    assert str(error.value) == said
