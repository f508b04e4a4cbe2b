"""Make the shards of any dataset with Ray: one task, one shard; only what is missing; the manifest last."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rac_ray.data.dataset import Dataset, Say
from rac_ray.data.manifest import MANIFEST, damaged_files, split_entry
from rac_ray.data.shards import Rows, Shard, ShardReport
from rac_ray.data.tasks import paced
from rac_ray.errors import BadInput
from rac_ray.store.lock import waiting_for
from rac_ray.store.storage import TEMPORARY_MARK, Storage

GENERATOR = "generator.json"
"""Names who is making shards in a data folder."""

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Generated:
    """What a data folder came to."""

    clips: int
    """In shards, made now or before."""
    made: int
    """Shards that were made now."""
    left_out: dict[str, str]
    """Reasons by the names of clips that could not be made."""


def missing_clips(root: Storage, dataset: Dataset) -> int:
    """How many clips are still to be made."""
    return _missing(root, [shard for shards in dataset.parts().values() for shard in shards])


def _missing(root: Storage, shards: Sequence[Shard]) -> int:
    """Clips of shards that are not there."""
    there = root.sizes().keys()
    return sum(shard.rows for shard in shards if shard.name not in there)


def to_make(root: Storage, dataset: Dataset) -> dict[str, list[Shard]]:
    """The shards, by part, that ``generate`` would make; needs no Ray and writes nothing.

    Raises BadInput for a folder of another dataset.
    """
    work = _Work(root, dataset, again=False, say=lambda _line: None)
    manifest = work.manifest()
    damaged, whole = set(work.damaged(manifest)), work.whole(manifest)
    found = {
        part: [shard for shard in shards if shard.name in damaged or dataset.read(root, shard) is None]
        for part, shards in dataset.parts().items()
        if part not in whole or any(shard.name in damaged for shard in shards)
    }
    return {part: shards for part, shards in found.items() if shards}


def generate(root: Storage, dataset: Dataset, say: Say = lambda _line: None, *, again: bool = False) -> Generated:
    """Bring ``root`` to hold ``dataset``; needs a running Ray.

    Shards that are there and whole are kept, damaged ones are dropped and made again. So are those that lack clips
    which could not be made, where there is something else to make one of now, or with ``again`` in any case. One
    generator at a time works on a folder, a second one waits. Raises BadInput for a folder of another dataset, a disk
    without room, clips that would be lost, and as the dataset's ``maker`` and ``accept`` do.
    """
    work = _Work(root, dataset, again, say)
    manifest = work.manifest()
    if not work.damaged(manifest):
        whole = work.whole(manifest)
        if whole == dataset.parts().keys() and work.outcome(manifest, whole, {}) == manifest:
            return _came_to(manifest, dataset, made=0)
    with waiting_for(root, GENERATOR, say):
        manifest = work.manifest()
        for name in work.damaged(manifest):
            say(f"data {root.address(name)} is damaged; it is made again")
            root.delete(name)
        _clear_temporaries(root, {MANIFEST, *(shard.name for shards in dataset.parts().values() for shard in shards)})
        whole = work.whole(manifest)
        entries, made = work.make(manifest, whole)
        outcome = work.outcome(manifest, whole, entries)
        found = _came_to(outcome, dataset, made)
        dataset.accept(found.left_out)
        root.write_json(MANIFEST, outcome)
    return found


def _came_to(manifest: Manifest, dataset: Dataset, made: int) -> Generated:
    entries = [manifest["splits"][part] for part in dataset.parts()]
    left_out = {name: why for entry in entries for name, why in entry.get("left_out", {}).items()}
    return Generated(sum(entry["clips"] for entry in entries), made, left_out)


@dataclass(frozen=True)
class _Work:
    """One run of the generator on a folder."""

    root: Storage
    dataset: Dataset
    again: bool
    say: Say

    def manifest(self) -> dict[str, Any]:
        """The folder's, or an empty one. Raises BadInput for one of another dataset."""
        return self.dataset.require_own(self.root) or {"identity": self.dataset.identity(), "splits": {}}

    def damaged(self, manifest: Manifest) -> list[str]:
        return damaged_files(self.root, manifest, self.dataset.parts())

    def outcome(self, manifest: Manifest, whole: Collection[str], made: Manifest) -> dict[str, Any]:
        """What the manifest is to be: parts that are whole, others that the dataset keeps, and those just made."""
        parts = self.dataset.parts()
        stay = {
            part: entry
            for part, entry in manifest["splits"].items()
            if part in whole or (part not in parts and self.dataset.keeps(part, manifest))
        }
        return {"identity": manifest["identity"], "splits": {**stay, **made}, **self.dataset.about()}

    def whole(self, manifest: Manifest) -> set[str]:
        """The parts that were made of these very clips, and have all of their shards."""
        there = self.root.sizes().keys()
        return {part for part in self.dataset.parts() if self._is_whole(part, manifest["splits"].get(part), there)}

    def _is_whole(self, part: str, entry: Manifest | None, there: Collection[str]) -> bool:
        if entry is None or _tries_again(self.dataset, entry.get("left_out", {}), entry.get("tried", {}), self.again):
            return False
        made_of = [(shard["file"], shard.get("made_of", "")) for shard in entry["shards"]]
        asked = [(shard.name, self.dataset.made_of(shard)) for shard in self.dataset.parts()[part]]
        return made_of == asked and all(name in there for name, _ in made_of)

    def make(self, manifest: Manifest, whole: Collection[str]) -> tuple[dict[str, Any], int]:
        """Entries of the parts that are not whole, and how many shards had to be made."""
        parts = {part: shards for part, shards in self.dataset.parts().items() if part not in whole}
        if not parts:
            return {}, 0
        reports, made = self._reports([shard for shards in parts.values() for shard in shards])
        entries = {}
        for part, shards in parts.items():
            made_of = [self.dataset.made_of(shard) for shard in shards]
            entries[part] = split_entry(shards, [reports[shard.name] for shard in shards], made_of)
            self._require_promised(part, manifest["splits"].get(part), entries[part])
        return entries, made

    def _require_promised(self, part: str, before: Manifest | None, now: Manifest) -> None:
        """The same sources have to give the same clips: trainings may rest on them."""
        if before is None or before["content"] == now["content"]:
            return
        sources = [[(shard.get("made_of"), shard.get("videos")) for shard in each["shards"]] for each in (before, now)]
        if sources[0] == sources[1] and before.get("left_out", {}) == now["left_out"]:
            raise BadInput(
                f"{part} was made again with other pixels than {self.root.address(MANIFEST)} promises, "
                "by other library versions; choose another folder"
            )

    def _reports(self, shards: Sequence[Shard]) -> tuple[dict[str, ShardReport], int]:
        """Make, or read, each shard by a Ray task, and tell of it."""
        import ray

        self.root.require_room(_missing(self.root, shards) * self.dataset.clip_bytes)
        shared = ray.put(self.dataset), ray.put(self.dataset.maker())
        task = ray.remote(num_cpus=1, max_retries=2)(_made_or_kept)
        pending = {task.remote(self.root, *shared, each, self.again): each for each in shards}
        reports, count = {}, 0
        for shard, (report, made), come, pace in paced(pending, lambda shard: shard.rows, self.dataset.unit):
            reports[shard.name] = report
            count += made
            self.say(f"data {come} {self.dataset.made}: {shard.name}; {pace}")
            for name, reason in report.left_out.items():
                self.say(f"data {name} {reason}; it is left out")
        return reports, count


def _tries_again(dataset: Dataset, left_out: Mapping[str, str], tried: Mapping[str, str], again: bool) -> bool:
    """Whether clips that were left out are to be tried again: on request, or where a file has come or has changed."""
    there = {name: dataset.there(name) for name in left_out}
    return (again and bool(left_out)) or any(what and what != tried.get(name) for name, what in there.items())


def _made_or_kept(
    root: Storage, dataset: Dataset, maker: Callable[[Shard], Rows], shard: Shard, again: bool
) -> tuple[ShardReport, bool]:
    """The report on a shard, and whether it was made."""
    import cv2

    cv2.setNumThreads(1)
    kept = dataset.read(root, shard)
    if kept is None:
        return dataset.write(root, shard, maker), True
    if not _tries_again(dataset, kept.left_out, kept.tried, again):
        return kept, False
    rows = maker(shard)
    if lost := sorted(rows.left_out.keys() - kept.left_out.keys()):
        raise BadInput(
            f"{shard.name} would lose {lost[0]}, which {rows.left_out[lost[0]]} now; bring its file back, or delete "
            f"{root.address(shard.name)} to have the shard without it"
        )
    return dataset.write(root, shard, lambda _shard: rows), True


def _clear_temporaries(root: Storage, names: Collection[str]) -> None:
    """Remove what a killed run left under temporary names of files; those of others may be written right now."""
    if root.is_local:
        for left in Path(root.root).rglob(f"*{TEMPORARY_MARK}*"):
            if left.relative_to(root.root).as_posix().partition(TEMPORARY_MARK)[0] in names:
                left.unlink(missing_ok=True)
