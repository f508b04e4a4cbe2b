"""Weights as files: what is written is read, and what no level needs goes."""

import io
from pathlib import Path

import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.store.files import level_file
from rac_ray.store.storage import Storage
from rac_ray.training.checkpoints import as_bytes, drop_others, keep, weights_in


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1: torch.zeros(1)}, torch.zeros(1), None])
def test_what_holds_no_weights_is_told(value: object, tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    torch.save(value, tmp_path / "best.ckpt")
    with pytest.raises(BadInput) as refused:
        weights_in(folder, "best.ckpt")
    assert str(refused.value) == f"{tmp_path}/best.ckpt is damaged: it holds no weights"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02]q\x00."])
def test_bytes_that_are_no_weights_are_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(content)
    with pytest.raises(BadInput, match=r"/best\.ckpt is damaged: it holds no weights"):
        weights_in(Storage.at(tmp_path), "best.ckpt")


def test_files_come_and_go(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    models = [torch.nn.Linear(2, 1) for _ in range(3)]
    for epoch, model in enumerate(models):
        keep(folder, epoch, model.state_dict())
    folder.write_bytes("last.ckpt", b"")
    drop_others(folder, {1: 0.5})
    assert sorted(folder.names()) == ["last.ckpt", level_file(1)]
    assert torch.equal(weights_in(folder, level_file(1))["weight"], models[1].weight)


def test_weights_are_plain_tensors_of_the_same_values() -> None:
    """No parameters: whoever reads them need not know what they were trained by."""
    model = torch.nn.Linear(3, 2)
    found = torch.load(io.BytesIO(as_bytes(dict(model.named_parameters()))), weights_only=True)
    assert {name: (type(value), value.requires_grad) for name, value in found.items()} == {
        "weight": (torch.Tensor, False),
        "bias": (torch.Tensor, False),
    }
    assert torch.equal(found["weight"], model.weight)


def test_weights_that_are_not_there_are_told_by_their_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="level-epoch-0007"):
        weights_in(Storage.at(tmp_path), level_file(7))
