"""The benchmarks' own command lines: argparse, with a user's mistake in one sentence."""

import argparse
from typing import NoReturn

from rac_ray.errors import BadInput


class Parser(argparse.ArgumentParser):
    """Turns argparse's usage errors into the one-sentence kind."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message}; see {self.prog} --help")
