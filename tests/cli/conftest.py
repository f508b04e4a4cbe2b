"""What the tests of ``rac-ray`` share."""

from collections.abc import Callable

import pytest

from rac_ray.cli.command import main


@pytest.fixture
def rac_ray(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int | str | None, str, str]]:
    """Run the command; returns (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run
