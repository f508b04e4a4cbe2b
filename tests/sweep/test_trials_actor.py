"""When the tasks end that stand for trials."""

import asyncio
import subprocess
import sys
from typing import Any

from rac_ray.sweep.trials_actor import Trials


def test_a_task_lasts_as_long_as_its_trial_whichever_is_told_first() -> None:
    async def told() -> list[Any]:
        trials = Trials("a sweep")
        running = [asyncio.ensure_future(trials.run(key)) for key in "ab"]
        await asyncio.sleep(0)
        begun = [each.done() for each in running]
        await trials.end("a", "")
        await trials.end("b", "CUDA out of memory")
        await trials.end("c", "")  # Ray may bring the end first
        await trials.run("c")
        return [begun, await running[0], await asyncio.gather(running[1], return_exceptions=True)]

    begun, done, (failed,) = asyncio.run(told())
    assert (begun, done) == ([False, False], None)
    assert isinstance(failed, RuntimeError)
    assert str(failed) == "CUDA out of memory"
    assert repr(Trials("a sweep")) == "a sweep"


def test_its_process_loads_neither_ray_nor_torch() -> None:
    code = "import sys, rac_ray.sweep.trials_actor; print(*{'ray', 'torch', 'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
