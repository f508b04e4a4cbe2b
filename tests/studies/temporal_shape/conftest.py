"""The data folder of the tests of shards."""

from tests.data.conftest import folder

__all__ = ["folder"]
