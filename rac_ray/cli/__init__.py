"""The command line: verbs derived from the functions of ``api``."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from rac_ray.cli.first_word import say_begun
from rac_ray.cli.while_loading import ending_at_once

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

__all__ = ["main", "sweep_main"]


def sweep_main(study: "Study", arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of a sweep script: one of the verbs, by default run what is missing and show what there is."""
    with ending_at_once():
        if arguments is None:
            say_begun(sys.argv[1:])
        from rac_ray.cli import sweep

    sweep.sweep_main(study, arguments)


def main() -> NoReturn:
    """Entry of ``rac-ray``."""
    with ending_at_once():
        say_begun(sys.argv[1:], nouns=1)
        from rac_ray.cli import command

    command.main()
