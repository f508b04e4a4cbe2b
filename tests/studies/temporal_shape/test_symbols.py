"""Folders of other symbols: which file is taken, what they are called, and what is refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest

from rac_ray.errors import BadInput
from rac_ray.studies.temporal_shape.symbols import Symbols, all_symbols, read_images
from tests.studies.temporal_shape.idx import drawn, folder_of


@pytest.mark.parametrize(
    "name",
    ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte.gz", "emnist-letters-test-images-idx3-ubyte.gz"],
)
def test_test_images_are_found_beside_training_images(name: str, tmp_path: Path) -> None:
    folder_of(tmp_path, drawn(3), "train-images-idx3-ubyte.gz")
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"labels")
    (tmp_path / f"._{name}").write_bytes(b"of macOS")
    np.testing.assert_array_equal(read_images(Path(folder_of(tmp_path, drawn(4, seed=1), name))), drawn(4, seed=1))


def test_one_file_alone_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    folder_of(tmp_path, drawn(3), "usps-images-idx3-ubyte")
    assert len(read_images(tmp_path)) == 3


def test_a_domain_is_named_like_its_folder_and_known_by_its_pixels(tmp_path: Path) -> None:
    first, second = all_symbols([folder_of(tmp_path / "Kannada", drawn(5)), folder_of(tmp_path / "usps", drawn(6))])
    assert (first.name, first.folder, second.name) == ("kannada", str(tmp_path / "Kannada"), "usps")
    assert first.digest != second.digest
    assert Symbols.of(folder_of(tmp_path / "elsewhere", drawn(5), "x-images-idx3-ubyte")).digest == first.digest
    np.testing.assert_array_equal(first.images(), drawn(5))
    assert first.images() is first.images()


def test_a_folder_that_has_changed_or_gone_is_told(tmp_path: Path) -> None:
    changed, gone = all_symbols([folder_of(tmp_path / "a", drawn(5)), folder_of(tmp_path / "b", drawn(6))])
    folder_of(tmp_path / "a", drawn(5, seed=9))
    (tmp_path / "b").rename(tmp_path / "c")
    with pytest.raises(BadInput, match=r"the folder of digits '.*/a' has other images by now than clips were made of"):
        changed.images()
    with pytest.raises(BadInput, match=r"there is no folder of digits '.*/b'; valid: folders of IDX images"):
        gone.images()


@pytest.mark.parametrize(
    ("names", "images", "sentence"),
    [
        (["train-images-idx3-ubyte", "extra-images-idx3-ubyte"], 2, "it has extra-images-.*, train-images-idx3-ubyte"),
        (["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"], 2, "it has t10k-images-idx3-ubyte, t10k-images-"),
        (["labels"], 2, "is to have one file of test images, as in t10k-images-idx3-ubyte.gz; it has none"),
        (["t10k-images-idx3-ubyte"], 0, "t10k-images-idx3-ubyte has no images; valid: one or more"),
    ],
)
def test_folders_without_one_file_of_test_images_are_refused(
    names: list[str], images: int, sentence: str, tmp_path: Path
) -> None:
    for name in names:
        folder_of(tmp_path / "set", drawn(images), name)
    with pytest.raises(BadInput, match=sentence):
        all_symbols([str(tmp_path / "set")])


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (["MNIST"], "is to be domain 'mnist'; valid: none of 2dot, 5dot, mnist, mnist_bg, mnist_bg_half"),
        (["one/emnist", "two/emnist"], "'.*/two/emnist' is to be domain 'emnist'; valid: none of .*, emnist"),
        (["a=b"], "'.*/a=b' names a domain 'a=b'; valid: names without , = and /"),
    ],
)
def test_names_that_are_no_further_domains_are_refused(folders: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence):
        all_symbols([folder_of(tmp_path / folder, drawn(2)) for folder in folders])
