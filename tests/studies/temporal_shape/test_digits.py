import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from rac_ray.errors import BadInput
from rac_ray.studies.temporal_shape.digits import (
    IDX_FILES,
    download_mnist,
    find_mnist,
    load_digits,
    optdigits,
    parse_idx,
    shrunk,
)


def idx_bytes(count: int, fill: int) -> bytes:
    return struct.pack(">4i", 2051, count, 28, 28) + bytes([fill]) * (count * 28 * 28)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path):
    """A real web server on loopback that serves two small IDX files."""
    served = tmp_path / "served"
    served.mkdir()
    checksums = {}
    for fill, (split, stem) in enumerate(IDX_FILES.items(), 1):
        content = gzip.compress(idx_bytes(3, fill))
        (served / f"{stem}.gz").write_bytes(content)
        checksums[split] = hashlib.sha256(content).hexdigest()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", checksums
        server.shutdown()
        thread.join()


def test_optdigits_are_mnist_shaped_and_disjoint() -> None:
    digits = optdigits()
    assert digits.train.shape == (1437, 28, 28)
    assert digits.test.shape == (360, 28, 28)
    assert digits.train.dtype == np.uint8
    assert digits.train[:, :4].max() == 0
    assert digits.train.max() == 255
    train = {image.tobytes() for image in digits.train}
    assert not train & {image.tobytes() for image in digits.test}
    assert digits.pool("val") is digits.train
    assert digits.pool("test") is digits.pool("paired") is digits.test


def test_the_digest_is_pinned() -> None:
    assert optdigits().digest == "1dcdf395862b655c"


def test_shrunk_digits_are_14_pixels() -> None:
    assert shrunk(optdigits().train[0]).shape == (14, 14)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_packed_or_plain(tmp_path: Path, packed: bool) -> None:
    for fill, stem in enumerate(IDX_FILES.values(), 1):
        content = idx_bytes(2, fill)
        path = tmp_path / (f"{stem}.gz" if packed else stem.replace("-idx", ".idx"))
        path.write_bytes(gzip.compress(content) if packed else content)
    digits = load_digits("mnist", tmp_path)
    assert digits.source == "mnist"
    assert digits.train.shape == (2, 28, 28)
    assert (digits.train == 1).all()
    assert (digits.test == 2).all()


def test_one_file_alone_is_not_mnist(tmp_path: Path) -> None:
    (tmp_path / IDX_FILES["train"]).write_bytes(idx_bytes(2, 1))
    assert find_mnist(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8bnot gzip", "x is not an IDX image file"),
        (b"short", "x is not an IDX image file"),
        (idx_bytes(2, 0)[:-1], r"x is not a complete IDX file of 28x28 images \(magic 2051, 2 images of 28x28, 1583"),
        (struct.pack(">4i", 2049, 1, 28, 28) + bytes(784), r"magic 2049"),
    ],
)
def test_broken_idx_files_are_named(content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_idx(content, "x")


def test_download_goes_on_to_the_next_mirror_and_checks(tmp_path: Path, mirror) -> None:
    url, checksums = mirror
    folder = tmp_path / "cache"
    assert download_mnist(folder, ["http://127.0.0.1:9", url], checksums) == []
    digits = find_mnist(folder)
    assert digits is not None
    assert (digits.test == 2).all()


def test_download_keeps_nothing_with_a_wrong_checksum(tmp_path: Path, mirror) -> None:
    url, _ = mirror
    problems = download_mnist(tmp_path / "cache", [url])
    assert len(problems) == 2
    assert all("wrong checksum" in problem for problem in problems)
    assert not (tmp_path / "cache").exists()


def test_mnist_without_files_or_network_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"digits .mnist. need train-images-.* and t10k-.*valid: auto, optdigits"):
        load_digits("mnist", tmp_path, mirrors=["http://127.0.0.1:9"])


def test_auto_falls_back_to_the_bundled_digits(tmp_path: Path) -> None:
    assert load_digits("auto", tmp_path, mirrors=["http://127.0.0.1:9"]).source == "optdigits"


def test_unknown_source() -> None:
    with pytest.raises(BadInput, match="unknown digits source 'svhn'; valid: auto, mnist, optdigits"):
        load_digits("svhn")
