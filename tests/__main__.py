"""``python -m tests``: pytest, in a process that ends with its exit code once all exit handlers have run.

Tests start Ray dozens of times in one process. Threads of its libraries may outlive it, and once one of them called
what the interpreter's end had already freed: a segmentation fault after the summary of tests that had all passed.
"""

import atexit
import os
import sys

import pytest

status = int(pytest.main())
atexit._run_exitfuncs()
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
