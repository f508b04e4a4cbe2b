"""Feeds of one worker, whatever the study: clips in memory, streamed, or drawn anew in each epoch."""

from dataclasses import dataclass

from rac_ray.data.feed import Asked, Batches, Opening, Subject
from rac_ray.data.order import Mirror, Share
from rac_ray.data.resident import ResidentBatches
from rac_ray.data.streaming import StreamedBatches


@dataclass(frozen=True)
class ClipFeeds:
    """All clips that a worker needs for one training, fed as its opening says.

    Parts that are in the opening's ``clips`` lie in memory, others are streamed from where the subject has them.
    """

    subject: Subject
    opening: Opening

    def train(self) -> Batches:
        """In the order of (seed, epoch), or drawn for it. Raises BadInput when the clips do not fill a batch."""
        seed, place = self.opening.seed, self.opening.place
        endless = self.subject.endless(self.opening)
        if endless is not None:
            drawn = Share(self.opening.batch_size, place.rank, place.world)
            return _filled(StreamedBatches(endless, self.subject.clip_shape, drawn, device=place.device))
        share = Share(self.opening.batch_size, place.rank, place.world, key=self.subject.order_key(seed))
        return _filled(self._batches(self.subject.train, share, self.subject.mirror("train", seed), place.device))

    def val(self) -> Batches:
        """In the clips' own order. Raises BadInput when a worker would have none."""
        seed, place = self.opening.seed, self.opening.place
        share = Share(self.opening.batch_size, place.rank, place.world, whole_steps=False)
        return _filled(self._batches(self.subject.val, share, self.subject.mirror("val", seed), place.device))

    def asked(self, part: str) -> Asked:
        """The clips of a part that the model is evaluated on, this worker's in batches on the CPU."""
        place, subject = self.opening.place, self.subject
        device_type = place.device.partition(":")[0]
        size = subject.evaluation_batch(device_type, place.share(self.opening.batch_size))
        share = Share(size * place.world, place.rank, place.world, whole_steps=False)
        if part in self.opening.clips:
            clips = self.opening.clips[part]
            return Asked(clips.clip_ids, clips.labels, ResidentBatches(clips, share))
        source = subject.source(part)
        return Asked(source.clip_ids, source.labels, StreamedBatches(source, subject.shape_of(part), share))

    def _batches(
        self, part: str, share: Share, mirror: Mirror | None, device: str
    ) -> ResidentBatches | StreamedBatches:
        if part in self.opening.clips:
            return ResidentBatches(self.opening.clips[part], share, mirror=mirror, device=device)
        source = self.subject.source(part, mirror)
        return StreamedBatches(source, self.subject.clip_shape, share, device=device)


def _filled(batches: ResidentBatches | StreamedBatches) -> Batches:
    """The batches themselves, once it is known that no worker lacks clips."""
    batches.share.require(len(batches.clip_ids))
    return batches
