"""Timings, measured side by side in one run; tests hold none. ``python -m benchmarks.run``, ``.speed``, ``.demo``."""
