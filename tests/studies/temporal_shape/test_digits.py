import gzip
import hashlib
import lzma
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from rac_ray.errors import BadInput
from rac_ray.studies.temporal_shape.digits import MNIST, SHA256, digits_of, mnist, parse_idx, shrunk, unpacked
from tests.studies.temporal_shape.idx import idx_bytes


def test_all_of_mnist_is_there() -> None:
    train, test = mnist("train"), mnist("test")
    assert (train.shape, test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert (train.dtype, train.max(), test[0, :7].max()) == (np.uint8, 255, 0)
    assert (int(train.sum(dtype=np.int64)), int(test.sum(dtype=np.int64))) == (1_567_298_545, 264_923_200)
    assert mnist("train") is train
    assert digits_of("train") is digits_of("val") is train
    assert digits_of("test") is digits_of("paired") is test


def test_the_digest_of_data_folders_is_that_of_the_pixels() -> None:
    found = hashlib.sha256(b"mnist")
    for pool in ("train", "test"):
        found.update(str(mnist(pool).shape).encode() + mnist(pool).tobytes())
    assert {"source": "mnist", "digest": found.hexdigest()[:16]} == MNIST


def test_the_package_holds_less_than_10_mb_of_digits_and_their_licence(repository: Path) -> None:
    folder = repository / "rac_ray/studies/temporal_shape/mnist"
    assert sorted(path.name for path in folder.iterdir()) == ["NOTICE", "test.idx.xz", "train.idx.xz"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10_000_000
    notice = (folder / "NOTICE").read_text()
    assert all(words in notice for words in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0", "Only the compression was"))
    assert '"rac_ray.studies.temporal_shape" = ["mnist/*", ' in (repository / "pyproject.toml").read_text()


def test_digits_are_unpacked_within_seconds() -> None:
    mnist.cache_clear()
    began = time.process_time()
    for pool in SHA256:
        mnist(pool)
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize("content", [b"", b"nonsense", lzma.compress(b"other"), lzma.compress(b"digits")[:-9]])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "test.idx.xz"
    path.write_bytes(content)
    with pytest.raises(BadInput) as told:
        unpacked(path, hashlib.sha256(b"digits").hexdigest())
    assert str(told.value) == f"{path} is damaged; install rac-ray again"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere is damaged; install rac-ray again"):
        unpacked(tmp_path / "nowhere", hashlib.sha256(b"digits").hexdigest())


def test_shrunk_digits_are_14_pixels() -> None:
    assert shrunk(mnist("test")[0]).shape == (14, 14)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_packed_or_plain(packed: bool) -> None:
    images = np.arange(2 * 28 * 28, dtype=np.uint16).astype(np.uint8).reshape(2, 28, 28)
    content = idx_bytes(images)
    np.testing.assert_array_equal(parse_idx(gzip.compress(content) if packed else content, "x"), images)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8bnot gzip", "x is not an IDX image file"),
        (b"short", "x is not an IDX image file"),
        (gzip.compress(idx_bytes(np.ones((2, 28, 28), np.uint8)))[:40], "x is not an IDX image file"),
        (
            idx_bytes(np.ones((2, 28, 28), np.uint8))[:-1],
            r"x is not a complete IDX file of 28x28 images \(magic 2051, 2 images of 28x28, 1583",
        ),
        (struct.pack(">4i", 2049, 1, 28, 28) + bytes(784), r"magic 2049"),
    ],
)
def test_broken_idx_files_are_named(content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_idx(content, "x")
