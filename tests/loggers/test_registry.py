"""Names of loggers, and where each one writes."""

import subprocess
import sys
from pathlib import Path

import pytest

from rac_ray import loggers
from rac_ray.errors import BadInput
from rac_ray.loggers import CLASHES, LOGGERS, Destination, Library, destinations, register
from rac_ray.store.storage import Storage
from tests.loggers.diary import Diary


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def test_several_are_asked_for_at_once(tmp_path: Path) -> None:
    storage = Storage.at(tmp_path)
    assert destinations(["tensorboard", "mlflow=http://127.0.0.1:1", "wandb"], storage) == [
        Destination("tensorboard", f"{tmp_path}/tensorboard"),
        Destination("mlflow", "http://127.0.0.1:1"),
        Destination("wandb", ""),
    ]
    assert destinations([], storage) == []


def test_where_is_what_follows_the_name_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:2")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.chdir(tmp_path)
    found = destinations(["mlflow", "wandb", "tensorboard=runs"], Storage("s3://bucket/results"))
    assert [each.where for each in found] == ["http://127.0.0.1:2", "mine", str(tmp_path / "runs")]
    (given,) = destinations(["mlflow=http://127.0.0.1:3?a=b"], Storage.at(tmp_path))
    assert given.where == "http://127.0.0.1:3?a=b"


def test_what_people_read_has_no_password() -> None:
    assert str(Destination("mlflow", "http://me:secret@host:3")) == "mlflow (http://***@host:3)"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("comet", "unknown logger 'comet'; valid: tensorboard, mlflow, wandb"),
        ("mlflow", "--log mlflow needs a server; say --log mlflow=http://HOST:PORT or set $MLFLOW_TRACKING_URI"),
        ("tensorboard", "--log tensorboard writes to a folder, and 's3://b/results/tensorboard' is none"),
    ],
)
def test_what_cannot_be_is_one_sentence(asked: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        destinations([asked], Storage("s3://b/results"))
    assert str(caught.value).startswith(sentence)


def test_a_library_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOGGERS, "not_there", Library("rac_ray.loggers.not_there", loggers.project))
    with pytest.raises(BadInput) as caught:
        destinations(["not_there"], Storage.at("."))
    assert str(caught.value) == (
        "--log not_there needs a library that is not installed: pip install 'rac-ray[not_there]'"
    )


def test_one_of_your_own_is_a_decorator_and_a_name_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "LOGGERS", dict(LOGGERS))
    monkeypatch.setattr(loggers, "CLASHES", set(CLASHES))
    register("mine")(Diary)
    assert destinations(["mine=diary.txt"], Storage("s3://b/c")) == [Destination("mine", "diary.txt")]
    register("mine")(type("Other", (Diary,), {}))
    with pytest.raises(BadInput, match="there are two loggers of the name 'mine'"):
        destinations(["mine"], Storage("s3://b/c"))


def test_a_name_is_one_line_of_the_registry_and_its_library_is_loaded_by_no_one_who_asks() -> None:
    text = Path(loggers.__file__).read_text()
    assert all(text.count(f'"{name}":') == 1 for name in LOGGERS)
    code = (
        "from rac_ray.loggers import destinations\n"
        "from rac_ray.store.storage import Storage\n"
        "destinations(['tensorboard', 'mlflow=http://x', 'wandb'], Storage.at('.'))\n"
        "import sys\n"
        "print([name for name in ('tensorboard', 'mlflow', 'wandb', 'torch', 'ray') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
