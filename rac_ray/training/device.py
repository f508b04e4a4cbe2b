"""The device that a training runs on, by the name of its model: on it depend times, and how sums are rounded."""

import platform
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
"""Linux's account of the processors."""


def device_name(device: torch.device) -> str:
    """The GPU's name, or that of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


def processor_name() -> str:
    """``Intel(R) Xeon(R) Processor @ 2.80GHz``, or the architecture where nobody knows more."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
