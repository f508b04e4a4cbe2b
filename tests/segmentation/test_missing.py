"""Without torchvision, or with one that does not fit torch, segmentation says so and everything else works."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from rac_ray.segmentation import finetune, frames, infer, network, scores
from rac_ray.errors import BadInput
assert "torchvision" not in sys.modules
{how}
try:
    network.build_network("none")
except BadInput as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("sys.modules['torchvision'] = None", "segmentation needs torchvision: install rac-ray[segmentation]\n"),
        ("sys.path.insert(0, 'broken')", "torchvision was built for another torch than "),
    ],
)
def test_the_sentence(how: str, sentence: str, tmp_path: Path, repository: Path) -> None:
    (tmp_path / "broken/torchvision").mkdir(parents=True)
    (tmp_path / "broken/torchvision/__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(repository)!r})\n" + PROGRAM.format(how=how)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith(sentence)
