"""A kind's own part in a write: what `verbs.py` calls, and `strategy.py` and `strategy_workloads.py` fill in."""

from __future__ import annotations

from k8slab.api.errors import Cause
from k8slab.api.objects import Obj


class Strategy:
    """`obj` is the server's own copy, to be changed in place. By default nothing is."""

    def create(self, obj: Obj) -> list[Cause]:
        """Before a new object is validated; what it returns is wrong with it."""
        return []

    def update(self, obj: Obj, old: Obj) -> list[Cause]:
        """Before a changed object is validated."""
        return []

    def update_status(self, obj: Obj, old: Obj) -> None:
        """Before a changed status is stored."""
