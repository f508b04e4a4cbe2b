import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import ray

from rac_ray.sweep.session import count_resources_here

SCRIPT = """
import ray
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import ray_session
with ray_session(Resources(num_cpus=1)):
    print(ray.cluster_resources()["CPU"], len(ray.nodes()))
"""


def test_a_local_ray_ignores_the_note_of_a_cluster_that_is_gone() -> None:
    """``ray start`` leaves its address on disk; a crash, or a power cut, leaves it there for ever."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # short: Ray puts sockets below
        note = Path(folder) / "ray/ray_current_cluster"
        note.parent.mkdir()
        note.write_text("127.0.0.1:1")
        here = {**os.environ, "RAY_TMPDIR": folder}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=here, capture_output=True, text=True, timeout=120)
        assert done.stdout == "1.0 1\n", done.stderr


def test_what_is_free_is_counted_from_now_on(local_ray: None) -> None:
    """By an actor of Ray's on this node; the slow test of a lost node is in tests/studies/diving48/test_nodes.py."""
    name = {"name": "AutoscalingCoordinator", "namespace": "AutoscalingCoordinator"}
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor(**name)
    count_resources_here()
    assert ray.get_actor(**name)
