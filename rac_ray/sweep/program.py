"""The command that runs a sweep: a script, or a command that is installed."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rac_ray.errors import BadInput


@dataclass(frozen=True)
class Program:
    """How somebody called a sweep here, and how a cluster calls the same."""

    name: str
    """Of the jobs that run it, as in ``ts_grid``."""
    words: tuple[str, ...]
    """The command as it was typed, without its verb: ``("python", "sweeps/ts_grid.py")``, or ``("rac-ray", "ts")``."""
    script: Path | None = None
    """A script's absolute path. None: the command is installed, and a cluster has to have it installed, too."""
    working_dir: Path | None = None
    """The folder that a cluster gets with a script."""

    @classmethod
    def of_script(cls, path: str, working_dir: Path | None = None) -> "Program":
        """A script, by its path as it was typed; a cluster gets its own folder, or this project's whole checkout."""
        script, checkout = Path(path).resolve(), Path(__file__).parents[2]
        ours = script.is_relative_to(checkout / "sweeps")
        folder = working_dir.resolve() if working_dir else checkout if ours else script.parent
        return cls(script.stem, ("python", path), script, folder)

    def said(self, arguments: Sequence[str] = ()) -> str:
        """The command with arguments, for a shell here."""
        return shlex.join([*self.words, *arguments])

    def typed(self, arguments: Sequence[str] = ()) -> str:
        """The same, as it works in a shell where no environment is active: with the Python that runs this."""
        if self.script is None or _is_this(shutil.which("python")):
            return self.said(arguments)
        here, interpreter = Path.cwd(), Path(sys.executable)
        word = interpreter.relative_to(here) if interpreter.is_relative_to(here) else interpreter
        return shlex.join([str(word), *self.words[1:], *arguments])

    def entrypoint(self, arguments: Sequence[str]) -> str:
        """The command with arguments, for a shell in the folder that the cluster has got.

        Raises BadInput for a script that is not in that folder.
        """
        if self.script is None or self.working_dir is None:
            return self.said(arguments)
        if not (self.script.is_file() and self.script.is_relative_to(self.working_dir)):
            raise BadInput(
                f"{str(self.script)!r} is not a file below {str(self.working_dir)!r}, which is what the cluster gets"
            )
        return shlex.join(["python", str(self.script.relative_to(self.working_dir)), *arguments])


def _is_this(interpreter: str | None) -> bool:
    return interpreter is not None and Path(interpreter).absolute() == Path(sys.executable).absolute()
