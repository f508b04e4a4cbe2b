"""One holder per folder: real processes that hold, die, are taken over, and are asked to stop."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rac_ray.store import lock as locks
from rac_ray.store.lock import Busy, Lock, current_holder, holding, living_holder, request_cancel, waiting_for
from rac_ray.store.storage import Storage

NAME = "driver.json"
HOLD = "import sys, time; from rac_ray.store.lock import holding; from rac_ray.store.storage import Storage\n"
HOLD += "with holding(Storage.at(sys.argv[1]), 'driver.json'): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    return Storage.at(tmp_path / "sweep")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.1)


@pytest.fixture
def holder(folder: Storage) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLD, folder.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_holder_is_told_who_holds_it_and_what_to_do(folder: Storage, holder) -> None:
    with pytest.raises(Busy) as busy, holding(folder, NAME):
        pass
    sentence = str(busy.value)
    assert f"{folder.root} is held by " in sentence
    assert f"(process {holder.pid}, since 20" in sentence
    assert sentence.endswith("wait, `cancel` it, or take it over with --take-over")


def test_a_holder_in_another_container_of_the_host_holds_it_too(folder: Storage, quick: None) -> None:
    """It may have this host's name, and its process number says nothing here."""
    apart = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", HOLD, folder.root]
    with subprocess.Popen(apart, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        if process.stdout.readline() != "held\n":
            pytest.skip("namespaces of processes are not allowed here")
        found = living_holder(folder, NAME, watch=False)
        assert found is not None
        assert found.pid == 1
        os.killpg(process.pid, signal.SIGKILL)


def test_a_user_without_a_name_is_a_number(folder: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert Lock(folder, NAME).holder.user == str(os.getuid())


def test_a_killed_holder_holds_nothing(folder: Storage, holder) -> None:
    os.kill(holder.pid, signal.SIGKILL)  # not waited for yet: a zombie holds nothing either
    time.sleep(0.2)
    assert current_holder(folder, NAME) is not None
    assert living_holder(folder, NAME) is None
    with holding(folder, NAME) as lock:
        assert current_holder(folder, NAME) == lock.holder
    assert folder.names() == []


def test_a_later_process_with_the_same_pid_is_not_the_holder(folder: Storage) -> None:
    lock = Lock(folder, NAME)
    folder.write_json(NAME, asdict(replace(lock.holder, process_started="1")))
    assert living_holder(folder, NAME) is None
    folder.write_json(NAME, asdict(lock.holder))
    assert living_holder(folder, NAME) == lock.holder


def test_a_holder_on_another_machine_lives_as_long_as_its_beats_move(folder: Storage, quick: None) -> None:
    elsewhere = replace(Lock(folder, NAME).holder, machine="node7/other-boot")
    folder.write_json(NAME, asdict(elsewhere))
    assert living_holder(folder, NAME, watch=False) == elsewhere
    started = time.monotonic()
    beats = threading.Timer(0.3, folder.write_json, (NAME, asdict(replace(elsewhere, beats=1))))
    beats.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "BEAT_SECONDS", 1.0)
        living = living_holder(folder, NAME)
    beats.join()
    assert living
    assert living.beats == 1
    assert living_holder(folder, NAME) is None
    assert time.monotonic() - started < 10


def test_taking_over_ends_the_holder_before(folder: Storage, quick: None) -> None:
    with holding(folder, NAME) as first:
        with holding(folder, NAME, take_over=True) as second:
            wait_for(lambda: first.stop_reason)
            assert first.stop_reason.endswith("took over")
            assert second.stop_reason == ""
        assert folder.names() == []


def test_a_request_to_cancel_reaches_the_holder_once(folder: Storage, quick: None) -> None:
    with holding(folder, NAME) as lock:
        request_cancel(folder, replace(lock.holder, token="an earlier one"))
        time.sleep(0.4)
        assert lock.stop_reason == ""
        request_cancel(folder, lock.holder)
        wait_for(lambda: lock.stop_reason)
        assert lock.stop_reason.startswith("cancelled by ")
    with holding(folder, NAME) as lock:
        time.sleep(0.3)
        assert lock.stop_reason == ""


def test_a_deleted_file_is_a_lost_lock_and_a_silent_storage_is_not(folder: Storage, quick: None, monkeypatch) -> None:
    with holding(folder, NAME) as lock:
        monkeypatch.setattr(locks, "current_holder", raises_os_error)
        time.sleep(0.4)
        assert lock.stop_reason == ""
        monkeypatch.undo()
        monkeypatch.setattr(locks, "BEAT_SECONDS", 0.1)
        folder.delete(NAME)
        wait_for(lambda: lock.stop_reason)
        assert lock.stop_reason == f"{folder.root}/{NAME} was deleted"


def raises_os_error(*_: object) -> None:
    raise OSError("the storage does not answer")


def test_a_file_that_is_not_whole_holds_nothing(folder: Storage) -> None:
    for content in (b'{"token": ', b"{}", b"[]"):
        folder.write_bytes(NAME, content)
        assert current_holder(folder, NAME) is None
        with holding(folder, NAME) as lock:
            assert json.loads(folder.read_bytes(NAME))["token"] == lock.holder.token


def test_waiting_begins_when_the_other_has_gone(folder: Storage) -> None:
    said: list[str] = []
    first = Lock(folder, NAME)
    first.acquire()
    threading.Timer(1.0, first.release).start()
    with waiting_for(folder, NAME, said.append) as lock:
        assert current_holder(folder, NAME) == lock.holder
    assert len(said) == 1
    assert said[0].startswith("waiting: ")


def contend(root: str, barrier, outcomes) -> None:
    barrier.wait()
    try:
        with holding(Storage.at(root), NAME):
            outcomes.put("held")
            time.sleep(2.0)
    except Busy:
        outcomes.put("busy")


@pytest.mark.parametrize("dead_before", [False, True])
def test_of_several_at_once_exactly_one_holds(folder: Storage, dead_before: bool) -> None:
    if dead_before:
        folder.write_json(NAME, asdict(replace(Lock(folder, NAME).holder, process_started="1")))
    context = multiprocessing.get_context("spawn")
    barrier, outcomes = context.Barrier(4), context.Queue()
    processes = [context.Process(target=contend, args=(folder.root, barrier, outcomes)) for _ in range(4)]
    for process in processes:
        process.start()
    found = sorted(outcomes.get(timeout=30) for _ in processes)
    for process in processes:
        process.join()
    assert found == ["busy", "busy", "busy", "held"]


def wait_for(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()
