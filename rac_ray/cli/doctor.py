"""The verb ``rac-ray doctor``."""

import os
from dataclasses import asdict
from json import dumps

from rac_ray.counted import counted
from rac_ray.errors import DONE, FAILED


def doctor(*, storage: str | None = None, data: str | None = None, json: bool = False) -> int:
    """Say what of this machine will be slow or fail, and what to do about it; starts nothing.

    Parameters
    ----------
    storage
        Folder or URI for records, tables and figures (default: $RAC_RAY_STORAGE/results, or results).
    data
        Folder or URI for shards (default: $RAC_RAY_STORAGE/data, or data).
    json
        One JSON object on stdout.

    Examples
    --------
    rac-ray doctor
    rac-ray doctor --storage /shared/results --data /shared/data
    rac-ray doctor --json
    """
    from rac_ray.doctor.findings import findings
    from rac_ray.doctor.look import look
    from rac_ray.store.storage import Storage
    from rac_ray.sweep.asked import STORAGE

    above = Storage.at(os.environ.get(STORAGE) or ".")
    facts = look(storage or above.below("results").root, data or above.below("data").root)
    found = findings(facts)
    fail, slow = (sum(finding.level == level for finding in found) for level in ("will fail", "slow"))
    if json:
        print(dumps({"will_fail": fail, "slow": slow, "findings": list(map(asdict, found)), "facts": asdict(facts)}))
    else:
        print("\n".join(finding.line for finding in found))
        print(f"{counted(len(found), 'finding')}: {fail} will fail, {slow} slow, {len(found) - fail - slow} ok")
    return FAILED if fail else DONE
