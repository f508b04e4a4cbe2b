"""TensorBoard: a folder of event files for each training, ``<where>/<sweep>/<preset>/<name>-<id>``."""

import math
import shutil
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_RUNNING, STATUS_SUCCESS  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from rac_ray.loggers.protocol import Run, Sweep

ABOUT = "about"
"""Tag of the text that has a run's state, and what else there is to say of it."""
ENDS = {"done": STATUS_SUCCESS, "unreached": STATUS_SUCCESS, "failed": STATUS_FAILURE}
SINGLE = 1e-6
"""Relative difference of numbers that event files, of single precision, may not tell apart."""

Written = float | bytes


class Folder:
    """A run's folder: what its event files have, and one more file for what is new, begun when there is any."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen = _read(path)
        self._writer: EventFileWriter | None = None

    def new(self, tag: str, value: Written) -> int | None:
        """The step at which a value that may change is to be written; None where it stands there already."""
        steps = self.seen.get(tag, {})
        if not steps:
            return 0
        last = steps[max(steps)]
        same = last == value or (
            isinstance(last, float) and isinstance(value, float) and math.isclose(last, value, rel_tol=SINGLE)
        )
        return None if same else max(steps) + 1

    def add(self, summary: Summary, step: int, moment: float | None) -> None:
        """Write values at a step, all or none of them, as of a moment (None: now)."""
        self._writer = self._writer or EventFileWriter(str(self.path))
        self._writer.add_event(Event(wall_time=moment or time.time(), step=step, summary=summary))
        for value in summary.value:
            self.seen.setdefault(value.tag, {})[step] = _value(value)

    def close(self) -> None:
        """Have everything on the disk."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def flush(self) -> None:
        """Have everything on the disk, and go on."""
        if self._writer:
            self._writer.flush()


class TensorBoard:
    """Writes event files; those that are there tell what need not be written again."""

    def __init__(self, where: str, sweep: Sweep) -> None:
        root = Path(where) / sweep.name
        self.home = root / sweep.preset
        there = [path for path in (*root.glob("*-*"), *root.glob("*/*-*")) if path.is_dir()]
        self._paths = {path.name.rpartition("-")[2]: path for path in there}
        self._folders: dict[str, Folder] = {}

    def write(self, run: Run) -> None:
        folder = self._folder(run)
        if metadata.SESSION_START_INFO_TAG not in folder.seen:
            folder.add(hparams_pb(dict(run.parameters), trial_id=run.key, start_time_secs=run.began), 0, run.began)
        for row in run.epochs:
            values = {f"curves/{name}": value for name, value in row.items() if name != "epoch"}
            if not any(row["epoch"] in folder.seen.get(tag, {}) for tag in values):
                folder.add(_scalars(values), int(row["epoch"]), run.ended)
        for name, value in run.finals.items():
            if (step := folder.new(name, value)) is not None:
                folder.add(_scalars({name: value}), step, run.ended)
        self._tell_state(folder, run)
        if run.over:
            folder.close()
        else:
            folder.flush()

    def _tell_state(self, folder: Folder, run: Run) -> None:
        text = "\n".join(f"- {name}: {said}" for name, said in {"state": run.state, **run.notes}.items())
        if (run.over or ABOUT not in folder.seen) and (step := folder.new(ABOUT, text.encode())) is not None:
            folder.add(text_pb(ABOUT, text), step, run.ended)
            folder.add(_session_end(run), step, run.ended)

    def _folder(self, run: Run) -> Folder:
        if run.key not in self._folders:
            name = f"{run.name.replace('/', '_')}-{run.key}"
            self._folders[run.key] = Folder(self._paths.get(run.key, self.home / name))
        return self._folders[run.key]

    def attach(self, step: int, files: Mapping[str, Path]) -> None:
        """Figures are pictures of the run ``sweep``; whatever is no PNG is copied to its folder."""
        folder = Folder(self.home / "sweep")
        for name, path in files.items():
            if path.suffix != ".png":
                folder.path.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder.path / path.name)
                continue
            picture = path.read_bytes()
            if folder.new(tag := name.removesuffix(".png"), picture) is not None:
                folder.add(_picture(tag, picture), max(step, *folder.seen.get(tag, {}), 0), None)
        folder.close()

    def close(self) -> None:
        for folder in self._folders.values():
            folder.close()


LOGGER = TensorBoard


def _scalars(values: Mapping[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _session_end(run: Run) -> Summary:
    ended = SessionEndInfo(status=ENDS.get(run.state, STATUS_RUNNING), end_time_secs=run.ended or time.time())
    about = metadata.create_summary_metadata(HParamsPluginData(session_end_info=ended))
    tag = metadata.SESSION_END_INFO_TAG
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


def _picture(tag: str, png: bytes) -> Summary:
    width, height = struct.unpack(">II", png[16:24])
    picture = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=tag, image=picture)])


def _read(folder: Path) -> dict[str, dict[int, Written]]:
    """Values by tag and step of a run's event files; one that was cut off in the middle tells what it can."""
    found: dict[str, dict[int, Written]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = _value(value)
    return found


def _value(value: Summary.Value) -> Written:
    """A number, or the bytes of a picture or text."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    return value.image.encoded_image_string if value.HasField("image") else b"".join(value.tensor.string_val)
