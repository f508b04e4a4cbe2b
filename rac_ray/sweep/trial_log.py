"""What a trial's process logs and warns goes to the trial's own ``log.txt``, not to the console of the sweep."""

import logging
import time
from types import TracebackType

from rac_ray.store.files import LOG
from rac_ray.store.storage import Storage

MOST_LINES = 5000
"""Lines of all attempts together; beyond them the oldest go."""
FORMAT = "%(asctime)sZ %(levelname)s %(name)s: %(message)s"


class TrialLog(logging.Handler):
    """Collects log records and warnings while it is entered, and writes them below those of earlier attempts."""

    def __init__(self, folder: Storage) -> None:
        super().__init__()
        formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)
        self.folder = folder
        self._lines = folder.read_bytes(LOG).decode(errors="replace").splitlines() if folder.exists(LOG) else []

    def __enter__(self) -> "TrialLog":
        logging.captureWarnings(True)
        logging.getLogger("rac_ray").setLevel(logging.INFO)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        logging.getLogger().removeHandler(self)
        logging.captureWarnings(False)
        self.write()

    def emit(self, record: logging.LogRecord) -> None:
        """Other libraries have a say from warnings up: Ray would repeat each epoch's row."""
        if record.levelno >= logging.WARNING or record.name.startswith("rac_ray"):
            self._lines.append(self.format(record))

    def write(self) -> None:
        """Bring the file up to date; called at each checkpoint and at the end."""
        text = "".join(f"{line}\n" for line in self._lines[-MOST_LINES:])
        self.folder.write_bytes(LOG, text.encode(errors="backslashreplace"))
