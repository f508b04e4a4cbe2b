"""The command line: verbs derived from the functions of ``api``."""

from rac_ray.cli.sweep import sweep_main

__all__ = ["sweep_main"]
