"""Where the clips of a split are drawn from: streams of random numbers, and each clip's place in one."""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from rac_ray.data.order import torch_permutation

PAIRED = "paired"
"""The split whose clips differ between domains in their looks only; also the role of such evaluations."""
STREAMS = {"train": "source", "val": "source", "test": "test", PAIRED: PAIRED}
"""Split -> its stream of clips."""
POOL_TRAIN, POOL_VAL, POOL_SEED = 4000, 1000, 42


@lru_cache(maxsize=1)
def _released_split() -> NDArray[np.int64]:
    """The order of the pool's 5000 clips whose first 4000 are the released training split (facts.md 1.7)."""
    return torch_permutation(POOL_TRAIN + POOL_VAL, POOL_SEED)


def pool_index(split: str, index: int) -> int:
    """Place of clip ``index`` of a split in its stream of clips.

    Train and val share one stream: the first 4000 and 1000 are the released split (facts.md 1.7); clips beyond
    them alternate, so that neither split runs into the other at any size. Test and paired have streams of their own.
    """
    if STREAMS[split] == split:
        return index
    if split == "train":
        order, beyond = _released_split()[:POOL_TRAIN], 0
    else:
        order, beyond = _released_split()[POOL_TRAIN:], 1
    return int(order[index]) if index < len(order) else POOL_TRAIN + POOL_VAL + 2 * (index - len(order)) + beyond


@lru_cache(maxsize=64)
def _stream_key(seed: int, domain: str, stream: str, purpose: str) -> int:
    text = f"temporal shape/{seed}/{domain}/{stream}/{purpose}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def generator_at(seed: int, domain: str, stream: str, place: int, purpose: str) -> Generator:
    """What draws one thing of the clip at a place of a stream."""
    return Generator(Philox(key=_stream_key(seed, domain, stream, purpose), counter=place << 64))
