"""``rac-ray``: its nouns and verbs, and the installed command."""

import subprocess
import sys
from pathlib import Path


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("rac-ray")
    done = subprocess.run([command, "data", "verify", "nowhere"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.endswith("nowhere: there is no manifest.json\n")
    wrong = subprocess.run([command, "date"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith('error: unknown command "date"')
    assert "Traceback" not in wrong.stderr
