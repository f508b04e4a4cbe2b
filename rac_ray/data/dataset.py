"""What a data folder is to hold: the few things by which datasets differ; ``generate`` makes any of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rac_ray.data.manifest import read_manifest, spec_differences
from rac_ray.data.shards import Layout, Rows, Shard, ShardReport, read_shard, write_shard
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage

Say = Callable[[str], None]
"""Tells people of an event, in one line."""


class Dataset(ABC):
    """Parts of clips, and how the rows of a shard come to be."""

    unit: str = "clips"
    """Of which the rate is told."""
    made: str = "made"
    """What has become of them."""

    @property
    def clip_bytes(self) -> int:
        """Upper bound on disk of a clip in a shard; 0 where nobody can say."""
        return 0

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """All that decides a clip's content, apart from its own key; one folder holds clips of one identity."""

    @abstractmethod
    def parts(self) -> Mapping[str, Sequence[Shard]]:
        """The shards of each part."""

    @abstractmethod
    def layout(self, part: str) -> Layout:
        """Columns and classes of a part."""

    @abstractmethod
    def maker(self) -> Callable[[Shard], Rows]:
        """What makes a shard's rows, pickled to Ray's tasks; asked for when something is to be made.

        Raises BadInput when nothing can be made here.
        """

    def made_of(self, shard: Shard) -> str:
        """Digest of the files that a shard is made of, which may change; empty where there are none."""
        return ""

    def there(self, name: str) -> str:
        """What there is to make a clip of that was left out, as a word that changes with it; empty for nothing."""
        return ""

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        """Sentence parts on why a folder is another dataset's; none when it is this one's."""
        return spec_differences(manifest["identity"], self.identity())

    def keeps(self, part: str, manifest: Mapping[str, Any]) -> bool:
        """Whether a part that the folder has, beyond those of this dataset, stays in the manifest."""
        return True

    def accept(self, left_out: Mapping[str, str]) -> None:  # noqa: B027
        """Raise BadInput when too little is left without the clips that could not be made."""

    def about(self) -> dict[str, Any]:
        """What else the manifest says of the clips."""
        return {}

    def read(self, root: Storage, shard: Shard) -> ShardReport | None:
        """Report on a shard that is there, is whole and made of what it would be made of now; else None.

        Raises BadInput for another dataset's.
        """
        return read_shard(root, shard, self._origin(shard))

    def write(self, root: Storage, shard: Shard, maker: Callable[[Shard], Rows]) -> ShardReport:
        """Make a shard and report on it."""
        return write_shard(root, shard, self.layout(shard.part), maker(shard), self._origin(shard))

    def _origin(self, shard: Shard) -> dict[str, Any]:
        return {"identity": self.identity(), "made_of": self.made_of(shard)}

    def require_own(self, root: Storage) -> dict[str, Any] | None:
        """A folder's manifest, if it has one. Raises BadInput, naming what differs, for another dataset's."""
        manifest = read_manifest(root)
        if manifest and (differing := self.differences(manifest)):
            raise BadInput(f"data folder {root.root!r} has {', '.join(sorted(differing))}; choose another with --data")
        return manifest
