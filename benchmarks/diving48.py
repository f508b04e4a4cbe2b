"""Diving48's decoding and feed: ``python -m benchmarks.diving48`` (about two minutes on two cores).

On videos made here (400 x 300 pixels, 150 frames, H.264), since the dataset cannot be had: clips per second and core of
decoding to shards, bytes per clip, peak memory of the decoding process and its child at 10 and 200 clips; clips per
second of the feed, in one process and through Ray's tasks, and the share of time that a training loop waits for it.
"""

import argparse
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

from benchmarks.arguments import Parser
from benchmarks.run import machine
from rac_ray.cli.exits import run_command
from rac_ray.cli.values import integer
from rac_ray.data.masks import FrameMasks
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48 import shape_texture
from rac_ray.studies.diving48.dataset import CLIPS_PER_SHARD, OfficialVideos
from rac_ray.studies.diving48.lists import VIDEOS, Annotation

HEIGHT, WIDTH, FRAMES = 300, 400, 150
DIFFERENT = 10
"""Videos that are really different; the others are links to them."""


def make_videos(folder: Path, count: int) -> list[Annotation]:
    """A download's ``rgb`` folder of ``count`` clips; returns their annotations."""
    (folder / VIDEOS).mkdir(parents=True)
    clips = [Annotation(f"video_{number:05d}", number % 48) for number in range(count)]
    for number, clip in enumerate(clips):
        path = folder / VIDEOS / f"{clip.video_id}.mp4"
        if number < DIFFERENT:
            _write_video(path, number)
        else:
            path.hardlink_to(folder / VIDEOS / f"{clips[number % DIFFERENT].video_id}.mp4")
    return clips


def _write_video(path: Path, seed: int) -> None:
    """A disc that falls before a blurred, slowly panned noise, which is about as hard to code as a pool."""
    rng = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH + FRAMES, 3), dtype=np.uint8), (15, 15), 4)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"  # pyright: ignore
        for index in range(FRAMES):
            frame = wide[:, index : index + WIDTH].copy()
            cv2.circle(frame, (200, 20 + 260 * index // FRAMES), 18, (200, 150, 120), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))  # pyright: ignore
        container.mux(stream.encode())  # pyright: ignore


class Peak:
    """Peak resident memory of this process and its children while the block runs, in MB."""

    def __enter__(self) -> "Peak":
        self.megabytes, self._going = 0.0, True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._going = False
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while self._going:
            sizes = [each.memory_info().rss for each in (me, *me.children(recursive=True)) if each.is_running()]
            self.megabytes = max(self.megabytes, sum(sizes) / 1e6)
            time.sleep(0.02)


def decoding(folder: Path, clips: list[Annotation]) -> tuple[float, float, float]:
    """Clips per second of one process, bytes per clip, peak MB."""
    with tempfile.TemporaryDirectory() as scratch, Peak() as peak:
        root, began = Storage.at(scratch), time.perf_counter()
        dataset = OfficialVideos(folder, {"train": clips})
        facts = [dataset.write(root, shard, dataset.maker()) for shard in dataset.parts()["train"]]
        seconds = time.perf_counter() - began
    assert sum(each.rows for each in facts) == len(clips)
    return len(clips) / seconds, sum(each.size for each in facts) / len(clips), peak.megabytes


def feed(folder: Path, clips: list[Annotation]) -> tuple[float, float, float]:
    """Clips per second in this process, then through Ray's tasks on all cores, and the wait share of a loop that works
    as long as its share of a GPU step would: here as long as the cores need for a batch, which is the hardest case."""
    import ray

    from rac_ray.data.jpegs import JpegClips, load_clip
    from rac_ray.data.order import Share
    from rac_ray.data.source import StoredClip
    from rac_ray.data.streaming import StreamedBatches
    from rac_ray.studies.diving48.feed import DivingSubject

    with tempfile.TemporaryDirectory() as scratch:
        root, dataset = Storage.at(scratch), OfficialVideos(folder, {"train": clips})
        places = []
        for shard in dataset.parts()["train"]:
            dataset.write(root, shard, dataset.maker())
            mine = dataset.clips_of(shard)
            places += [StoredClip(clip.video_id, clip.label, shard.name, row) for row, clip in enumerate(mine)]
        cv2.setNumThreads(1)
        began = time.perf_counter()
        for place in places[:50]:
            load_clip(root, {"clip_id": place.clip_id, "file": place.file, "row": place.row, "flip": True})
        alone = min(50, len(places)) / (time.perf_counter() - began)
        ray.init("local", object_store_memory=2_000_000_000, log_to_driver=False)
        source = JpegClips(root, lambda: places)
        batches = StreamedBatches(source, DivingSubject.clip_shape, Share(8, key=1))
        for _ in batches.epoch(0):
            break
        began, batches.seconds, steps = time.perf_counter(), 0.0, 0
        for _ in batches.epoch(1):
            steps += 1
        through = 8 * steps / (time.perf_counter() - began)
        busy, batches.seconds, began = 8 / through, 0.0, time.perf_counter()
        for _ in batches.epoch(2):
            time.sleep(busy)
        share = batches.seconds / (time.perf_counter() - began)
        ray.shutdown()
    return alone, through, share


def rendering() -> dict[str, float]:
    """Clips of 32 frames per second and core, by domain, with two divers in every frame."""
    cv2.setNumThreads(1)
    frames = np.random.default_rng(0).integers(0, 256, (32, HEIGHT, WIDTH, 3), dtype=np.uint8)
    mask = np.zeros((2, shape_texture.HEIGHT, shape_texture.WIDTH), bool)
    mask[0, 100:200, 100:150] = mask[1, 100:200, 300:350] = True
    masks, rates = [FrameMasks(mask, mask)] * 32, {}
    for domain in shape_texture.DOMAINS:
        began = time.perf_counter()
        shape_texture.render(domain, frames, masks)
        rates[domain] = 1 / (time.perf_counter() - began)
    return rates


def main() -> int:
    parser = Parser(prog="python -m benchmarks.diving48", description="Decoding and feeding Diving48's clips.")
    parser.add_argument("--clips", type=integer("--clips", 16), default=200, help="default: %(default)s")
    options: argparse.Namespace = parser.parse_args()
    print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n")
    with tempfile.TemporaryDirectory() as scratch:
        clips = make_videos(Path(scratch), options.clips)
        video = (Path(scratch) / VIDEOS / f"{clips[0].video_id}.mp4").stat().st_size
        print(
            f"videos of {HEIGHT} x {WIDTH} pixels, {FRAMES} frames, {video / 1e3:.0f} kB; shards of {CLIPS_PER_SHARD}\n"
        )
        print("| clips | decoded, clips/s of one process | kB per clip in a shard | peak MB, with the decoder |")
        print("|---|---|---|---|")
        for count in (DIFFERENT, options.clips):
            rate, size, peak = decoding(Path(scratch), clips[:count])
            print(f"| {count} | {rate:.1f} | {size / 1e3:.0f} | {peak:.0f} |")
        alone, through, share = feed(Path(scratch), clips)
    rates = ", ".join(f"{domain} {rate:.1f}" for domain, rate in rendering().items())
    print(f"\nrendered from frames and masks, clips/s of one process: {rates}")
    print(f"\nfeed: {alone:.1f} clips/s in one process, {through:.1f} through Ray's tasks on all cores;")
    print(f"a loop that works as long as the cores need for a batch waits {100 * share:.0f} % of its time")
    return 0


if __name__ == "__main__":
    run_command(main)
