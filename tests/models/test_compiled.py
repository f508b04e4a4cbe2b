"""What compiled loops compute, over threads and where no cache can be written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rac_ray.models.compiled import compiled, config, digest_of, over_threads


@compiled
def squares(numbers: NDArray[np.float32], out: NDArray[np.float32], first: int, last: int) -> None:
    for index in range(first, last):
        out[index] = numbers[index] * numbers[index]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 3, 100])
def test_every_part_is_done_once(threads: int, count: int) -> None:
    numbers = np.arange(count, dtype=np.float32)
    out, before = np.full(count, -1, np.float32), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        over_threads(lambda first, last: squares(numbers, out, first, last), count)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(out, numbers**2)


def test_an_error_in_a_part_is_raised() -> None:
    def broken(first: int, last: int) -> None:
        raise ValueError(f"{first} to {last}")

    with pytest.raises(ValueError, match="0 to"):
        over_threads(broken, 8)


def test_values_that_are_not_finite_stay_what_they_are() -> None:
    numbers = np.array([np.inf, np.nan, -np.inf], np.float32)
    out = np.zeros_like(numbers)
    squares(numbers, out, 0, 3)
    np.testing.assert_array_equal(out, [np.inf, np.nan, np.inf])


def test_a_digest_tells_of_every_source(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    digests = set()
    for content in ("a = 1", "a = 2"):
        for name in ("one.py", "below/two.py"):
            (tmp_path / name).write_text(content)
            digests.add(digest_of(tmp_path))
    assert len(digests) == 4
    (tmp_path / "other.txt").write_text("no source")
    assert digest_of(tmp_path) in digests


def test_numbas_own_setting_is_as_it_was() -> None:
    assert not config.CACHE_DIR or "models-" not in config.CACHE_DIR
    assert "models-" in squares._cache._cache_path  # type: ignore[attr-defined]


def test_without_a_folder_for_its_cache_it_is_compiled_all_the_same() -> None:
    nowhere = {**os.environ, "NUMBA_CACHE_DIR": "/proc/nowhere", "PYTHONDONTWRITEBYTECODE": "1"}
    said = "from tests.models.test_compiled import squares; import numpy as np; a = np.ones(2, np.float32); "
    program = said + "squares(2 * a, a, 0, 2); print(a.tolist())"
    done = subprocess.run([sys.executable, "-c", program], env=nowhere, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[4.0, 4.0]\n"), done.stderr
