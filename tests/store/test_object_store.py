"""Storage on a real S3 server on loopback, and what becomes of its failures."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rac_ray.cli.exits import run_command
from rac_ray.errors import BadInput
from rac_ray.store.object_store import _impatient, is_transient, refusal
from rac_ray.store.storage import Storage
from tests.object_server import CREDENTIALS, Fault, ObjectServer, object_server


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with pytest.MonkeyPatch.context() as patch, object_server() as started:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield started


@pytest.fixture
def store(server: ObjectServer, request: pytest.FixtureRequest) -> Storage:
    """An empty folder in the bucket."""
    return Storage.at(server.uri(request.node.name))


def test_an_object_store_holds_what_a_folder_holds(store: Storage) -> None:
    assert not store.exists("a")
    assert store.names() == []
    assert store.sizes() == {}
    assert store.read_if_there("a/b.bin") is None
    store.write_bytes("a/b.bin", b"first")
    store.write_json("a/c/d.json", {"x": 1})
    assert store.read_bytes("a/b.bin") == b"first"
    assert store.below("a", "c").read_json("d.json") == {"x": 1}
    assert store.below("a").above == store
    assert store.names("a") == ["b.bin", "c"]
    assert store.sizes() == {"a/b.bin": 5, "a/c/d.json": 11}
    assert store.exists("a/c")
    assert store.create_json("a/c/d.json", 2) == "exists"
    store.delete("a/b.bin")
    store.delete("a/b.bin")
    assert store.sizes() == {"a/c/d.json": 11}
    with pytest.raises(FileNotFoundError):
        store.read_bytes("a/b.bin")
    store.require_room(10**18)
    assert store.sizes() == {"a/c/d.json": 11}


def test_only_the_columns_asked_for_are_fetched(store: Storage, server: ObjectServer) -> None:
    """Of 4 MB of clips in rows groups of one, about what the footer and the two columns take."""
    frames = [np.random.default_rng(number).bytes(200_000) for number in range(20)]
    whole = pa.table({"clip_id": [f"clip{number}" for number in range(20)], "frames": frames, "label": range(20)})
    sink = io.BytesIO()
    pq.write_table(whole, sink, row_group_size=1)
    store.write_bytes("shard.parquet", sink.getvalue())
    before = server.sent
    assert store.read_columns("shard.parquet", ["clip_id", "label"]).equals(whole.select(["clip_id", "label"]))
    assert 0 < server.sent - before < 100_000
    with pytest.raises(FileNotFoundError):
        store.read_columns("other.parquet", ["clip_id"])


def test_options_of_a_root_stay_at_its_end(store: Storage, server: ObjectServer) -> None:
    query = f"?endpoint_override={server.endpoint}&scheme=http"
    assert Storage.at(f"s3://bucket/a/{query}").root == f"s3://bucket/a{query}"
    assert Storage.at(f"s3://bucket/a{query}").below("b", "c").root == f"s3://bucket/a/b/c{query}"
    assert Storage.at(f"s3://bucket/a/b{query}").above.root == f"s3://bucket/a{query}"
    assert Storage.at(f"s3://bucket/a{query}").address("b.json") == f"s3://bucket/a/b.json{query}"


def test_an_endpoint_may_stand_in_the_environment(
    store: Storage, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_bytes("x", b"there")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{server.endpoint}")
    plain = Storage.at(store.root.partition("?")[0])
    assert plain.read_bytes("x") == b"there"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "127.0.0.1")
    with pytest.raises(BadInput, match=r"AWS_ENDPOINT_URL is '127.0.0.1'; valid: a URL such as"):
        plain.exists("x")


def test_listings_of_more_than_a_thousand_objects_are_whole(store: Storage) -> None:
    names = [f"{number:04d}" for number in range(1001)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.write_bytes(name, b"1"), names))
    assert store.names() == names
    assert store.sizes() == dict.fromkeys(names, 1)


def test_requests_of_each_operation(store: Storage, server: ObjectServer) -> None:
    """One write is one request; no folders are made."""
    assert store.names() == []

    def requests_of(act: Callable[[], object]) -> dict[str, int]:
        before = server.requests.copy()
        act()
        return dict(server.requests - before)

    assert requests_of(lambda: store.write_bytes("a/b", b"content")) == {"put": 1}
    assert requests_of(lambda: store.read_bytes("a/b")) == {"head": 1, "get": 1}
    assert requests_of(lambda: store.read_if_there("a/none")) == {"head": 1}
    assert requests_of(lambda: store.exists("a/b")) == {"head": 1}
    assert requests_of(lambda: store.sizes()) == {"list": 1}


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ("s3://no-such-bucket/x{query}", r"there is no bucket 'no-such-bucket'; make it, or choose another"),
        ("s3://key:secret@bucket/x{query}", r"^an S3 storage is s3://bucket/folder, without credentials"),
        ("s3://bucket/x{query}&retries=3", r"^unknown option of an s3:// storage 'retries'; valid: endpoint_override"),
    ],
)
def test_mistakes_in_a_uri_are_told_at_once(server: ObjectServer, root: str, sentence: str) -> None:
    query = f"?endpoint_override={server.endpoint}&scheme=http"
    started = time.monotonic()
    with pytest.raises(BadInput, match=sentence):
        Storage.at(root.format(query=query)).require_room(1)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("fault", ["refuse", "reset", "unavailable", "hang"])
def test_a_server_that_fails_for_a_while_is_asked_again(store: Storage, server: ObjectServer, fault: Fault) -> None:
    store.write_bytes("a", b"before")
    outage = threading.Thread(target=server.fails_for, args=([(fault, 1.5)],))
    started = time.monotonic()
    outage.start()
    while server.fault == "none":
        time.sleep(0.01)
    store.write_bytes("a", b"after")
    assert time.monotonic() - started >= 1.5
    outage.join()
    assert store.read_bytes("a") == b"after"


def test_a_server_that_stays_away_is_the_original_error(store: Storage, server: ObjectServer) -> None:
    store.write_bytes("a", b"before")
    started = time.monotonic()
    with server.failing("refuse"), pytest.raises(OSError, match=r"AWS Error NETWORK_CONNECTION during HeadObject"):
        replace(store, retry_seconds=1.0).read_bytes("a")
    assert 0.3 < time.monotonic() - started < 3
    started = time.monotonic()
    with server.failing("unavailable"), pytest.raises(OSError, match=r"UNKNOWN \(HTTP status 503\)"):
        replace(store, retry_seconds=0.0).read_bytes("a")
    assert time.monotonic() - started < 1


def test_refused_access_is_told_at_once(store: Storage, server: ObjectServer) -> None:
    started = time.monotonic()
    with (
        server.failing("forbidden"),
        pytest.raises(BadInput, match=r"refuses access \(ACCESS_DENIED\); check the bucket"),
    ):
        store.require_room(1)
    assert time.monotonic() - started < 2


def test_a_command_whose_storage_stays_away_ends_with_a_sentence(
    store: Storage, server: ObjectServer, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write_bytes("a", b"before")

    def command() -> int:
        replace(store, retry_seconds=0.0).read_bytes("a")
        return 0

    with server.failing("refuse"), pytest.raises(SystemExit) as stopped:
        run_command(command)
    assert stopped.value.code == 3
    said = capsys.readouterr().err
    assert said.startswith("error: the storage has not answered for 120 s; the same command goes on: ")
    assert said.count("\n") == 1


class Unavailable(BaseHTTPRequestHandler):
    """Answers 503 to whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_googles_storage_that_does_not_answer_is_asked_again_and_then_told() -> None:
    """Its own client would go on for a quarter of an hour."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Unavailable) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = f"scheme=http&endpoint_override=127.0.0.1:{server.server_port}&retry_limit_seconds=1"
        store = replace(Storage.at(f"gs://anonymous@bucket/x?{options}"), retry_seconds=0.5)
        with pytest.raises(OSError, match="UNAVAILABLE") as told:
            store.names()
        server.shutdown()
    assert is_transient(told.value)
    assert _impatient("gs://bucket/x") == "gs://bucket/x?retry_limit_seconds=20"
    assert _impatient("gs://bucket/x?scheme=http") == "gs://bucket/x?scheme=http&retry_limit_seconds=20"


def test_google_without_credentials_is_one_sentence() -> None:
    said = OSError("google::cloud::Status(UNAVAILABLE: Could not create a OAuth2 access token to authenticate")
    assert not is_transient(said)
    sentence = (
        "storage 'gs://b/x' refuses access (OAuth2 access token); check the bucket's name, region and credentials"
    )
    assert str(refusal("gs://b/x", said)) == sentence


def test_long_waits_are_told(store: Storage, server: ObjectServer, caplog: pytest.LogCaptureFixture) -> None:
    store.write_bytes("a", b"before")
    outage = threading.Thread(target=server.fails_for, args=([("unavailable", 3.0)],))
    outage.start()
    while server.fault == "none":
        time.sleep(0.01)
    assert store.read_bytes("a") == b"before"
    outage.join()
    (message,) = caplog.messages
    assert message.startswith("the storage does not answer, trying again for 120 s: ")
