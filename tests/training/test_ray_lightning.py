"""Ray's Lightning classes belong to ``pytorch_lightning`` even where the package ``lightning`` is installed, too."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
{first}
from rac_ray.training.ray_lightning import ray_for_pytorch_lightning
import pytorch_lightning as pl
ray_lightning = ray_for_pytorch_lightning()
assert issubclass(ray_lightning.RayDDPStrategy, pl.strategies.DDPStrategy)
assert issubclass(ray_lightning.RayLightningEnvironment, pl.plugins.environments.LightningEnvironment)
import lightning.pytorch
assert lightning.pytorch.IS_THE_OTHER
print("fine")
"""


def run(program: str, site: Path, repository: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{site}:{repository}", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_other_package_is_passed_by_and_left_as_it_was(tmp_path: Path, repository: Path) -> None:
    package = tmp_path / "lightning" / "pytorch"
    package.mkdir(parents=True)
    (tmp_path / "lightning" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("IS_THE_OTHER = True\n")
    assert run(PROGRAM.format(first=""), tmp_path, repository) == "fine"
    assert run(PROGRAM.format(first="import lightning.pytorch"), tmp_path, repository) == "fine"
