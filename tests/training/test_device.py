"""The name of what a training runs on."""

import platform
from pathlib import Path

import pytest
import torch

from rac_ray.training import device


def test_a_processor_has_its_model_where_linux_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "CPUINFO", tmp_path / "cpuinfo")
    plain = platform.processor() or platform.machine()
    assert device.processor_name() == plain
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert device.processor_name() == plain
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor @ 2.80GHz\nmodel name\t: B\n")
    assert device.device_name(torch.device("cpu")) == "A Processor @ 2.80GHz"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_has_its_own() -> None:
    assert device.device_name(torch.device("cuda")) == torch.cuda.get_device_name(0)
