"""A race to the first instruction: one piece of work as process, local container, Docker container, VM.

`starting.py` runs it, `copies.py` and `contestants.py` know how each kind of copy is started, `result.py` is what comes
out. It starts things itself and touches no lab: like the doctor, it looks at the machine below.
"""

from __future__ import annotations

from k8slab.races.result import Race, Run, reference
from k8slab.races.starting import KINDS, MOST, cores, race

__all__ = ["KINDS", "MOST", "Race", "Run", "cores", "race", "reference"]
