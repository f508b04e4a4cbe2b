"""One section in its own process: ``python -m benchmarks.gpu.child SECTION DEVICE full|tiny ROWS``."""

import importlib
import sys
import warnings
from pathlib import Path

import torch

from benchmarks.gpu.rows import append
from benchmarks.gpu.sections import TINY, Sizes


def main() -> None:
    name, device, size, path = sys.argv[1:]
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    section = importlib.import_module(f"benchmarks.gpu.{name}")
    append(Path(path), name, section.rows(torch.device(device), TINY if size == "tiny" else Sizes()))


if __name__ == "__main__":
    main()
